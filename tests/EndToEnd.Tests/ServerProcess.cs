using System.Diagnostics;
using System.Runtime.InteropServices;
using Grpc.Core;
using Grpc.Health.V1;
using Serving.Client;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>The server as a process of its own on a free port.</summary>
internal sealed partial class ServerProcess : IAsyncDisposable
{
    private const string Announcement = "Serving listens on ";
    private const string HttpAnnouncement = "JSON and gRPC-Web over HTTP/1.1 on ";
    private const int SigTerm = 15;

    private const string Program = "Serving.Server.dll";

    private readonly Process _process;
    private readonly List<string> _output;
    private readonly Task _reading;

    private ServerProcess(Process process, string address, string httpAddress, List<string> output, Task reading)
    {
        _process = process;
        _output = output;
        _reading = reading;
        Address = address;
        HttpAddress = httpAddress;
        Client = new(address);
    }

    public string Address { get; }

    /// <summary>"http://127.0.0.1:PORT", of JSON.</summary>
    public string HttpAddress { get; }

    public ServingClient Client { get; }

    /// <summary>Starts a server and waits until it is ready.</summary>
    /// <param name="under">A program and its arguments, which run the server.</param>
    /// <param name="build">Null for <see cref="ServerBuild.Default"/>.</param>
    public static async Task<ServerProcess> StartAsync(
        DataFolder data, IReadOnlyList<string>? flags = null, IReadOnlyDictionary<string, string>? environment = null,
        IReadOnlyList<string>? under = null, ServerBuild? build = null)
    {
        var server = await StartWithoutWaitingAsync(data, flags, environment, under, build);
        await server.ReadyAsync();
        return server;
    }

    /// <summary>Starts a server and waits until it listens.</summary>
    public static async Task<ServerProcess> StartWithoutWaitingAsync(
        DataFolder data, IReadOnlyList<string>? flags = null, IReadOnlyDictionary<string, string>? environment = null,
        IReadOnlyList<string>? under = null, ServerBuild? build = null)
    {
        build ??= ServerBuild.Default;
        string[] command = [.. under ?? [], "dotnet", Path.Combine(build.Folder, Program)];
        var start = new ProcessStartInfo(command[0])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        foreach (var argument in (string[])
            [
                .. command[1..], "--port", "0", "--data", data.Path, "--Server:TrainingRank=Normal", .. build.Flags,
                .. flags ?? []
            ])
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        var output = new List<string>();
        var address = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var httpAddress = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
        if (await Task.WhenAny(Task.WhenAll(address.Task, httpAddress.Task), reading).Within() == reading)
            throw new InvalidOperationException($"The server did not start: {string.Join('\n', output)}");
        return new(process, await address.Task, await httpAddress.Task, output, reading);

        async Task ReadAsync(StreamReader lines)
        {
            while (await lines.ReadLineAsync() is { } line)
            {
                lock (output)
                    output.Add(line);
                if (line.StartsWith(Announcement, StringComparison.Ordinal))
                    address.TrySetResult(line[Announcement.Length..]);
                if (line.StartsWith(HttpAnnouncement, StringComparison.Ordinal))
                    httpAddress.TrySetResult(line[HttpAnnouncement.Length..]);
            }
        }
    }

    /// <summary>Waits until its health says that it serves.</summary>
    public async Task ReadyAsync()
    {
        try
        {
            using var watch = Client.Health.Watch(new());
            while (await watch.ResponseStream.MoveNext(CancellationToken.None).Within())
            {
                if (watch.ResponseStream.Current.Status == HealthCheckResponse.Types.ServingStatus.Serving)
                    return;
            }
        }
        catch (RpcException)
        {
            // It ended; its output says why.
        }

        await ExitAsync();
        await _reading;
        Assert.Fail($"The server ended: {Output()}");
    }

    public string Output()
    {
        lock (_output)
            return string.Join('\n', _output);
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync().Within();
    }

    /// <summary>Asks it to end, as an orchestrator does.</summary>
    public void Terminate() => Assert.Equal(0, Kill(_process.Id, SigTerm));

    /// <returns>The exit code.</returns>
    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().Within();
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (!_process.HasExited)
            await KillAsync();
        await _reading;
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
