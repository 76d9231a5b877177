using System.Diagnostics;
using Grpc.Health.V1;
using Serving.Client;

namespace Serving.Bench;

/// <summary>The server as a process of its own.</summary>
internal sealed class ServedProcess : IDisposable
{
    private readonly Process _process;

    private ServedProcess(Process process, Uri address)
    {
        _process = process;
        Address = address;
    }

    public Uri Address { get; }

    public TimeSpan CpuTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts it and waits until it serves.</summary>
    /// <param name="processors">Those that it may use, as taskset lists them; null for all.</param>
    /// <param name="environment">Variables for it alone.</param>
    public static async Task<ServedProcess> StartAsync(
        string data, string? processors = null, params (string Name, string Value)[] environment)
    {
        const string announcement = "Serving listens on ";
        var program = Path.Combine(AppContext.BaseDirectory, "Serving.Server.dll");
        string[] command = ["dotnet", program, "--port", "0", "--data", data];
        if (processors is not null)
            command = ["taskset", "--cpu-list", processors, .. command]; // It becomes the server: same process id.
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        string? line;
        do
            line = await process.StandardOutput.ReadLineAsync()
                ?? throw new InvalidOperationException("The server did not start.");
        while (!line.StartsWith(announcement, StringComparison.Ordinal));
        _ = process.StandardOutput.ReadToEndAsync(); // So that it never waits for a reader.
        var server = new ServedProcess(process, new Uri(line[announcement.Length..]));
        using var client = new ServingClient(server.Address.OriginalString);
        using var watch = client.Health.Watch(new());
        while (await watch.ResponseStream.MoveNext(CancellationToken.None)
            && watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving)
        {
        }

        return server;
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
