using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Serving.Testing;

namespace Serving.Server.Tests;

/// <summary>The server as a process of its own, as an operator starts and stops it.</summary>
public sealed partial class ServerProcessTests
{
    private const int SigTerm = 15;

    [Fact]
    public async Task Server_StartsAnswersAndStopsOnSigTerm()
    {
        using var data = new TemporaryFolder();
        using var server = Start("--port=0", $"--data={data.At("data")}");
        var line = await server.StandardOutput.ReadLineAsync().Within();
        while (line?.StartsWith("Serving listens", StringComparison.Ordinal) == false) // The log may come first.
            line = await server.StandardOutput.ReadLineAsync().Within();
        Assert.StartsWith("Serving listens on http://127.0.0.1:", line, StringComparison.Ordinal);
        using var channel = GrpcChannel.ForAddress(line!["Serving listens on ".Length..]);
        var health = new Health.HealthClient(channel);

        using (var watch = health.Watch(new HealthCheckRequest()))
        {
            do
                Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None).Within());
            while (watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving);
        }

        Assert.Equal(0, Kill(server.Id, SigTerm));
        await server.WaitForExitAsync().Within();
        Assert.Equal(0, server.ExitCode);
        Assert.Equal("", await server.StandardError.ReadToEndAsync());
    }

    [Fact]
    public async Task PortInUse_StopsTheStart_WithoutAFailureBesideIt()
    {
        using var data = new TemporaryFolder();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        using var server = Start($"--port={port}", "--http-port=-1", $"--data={data.At("data")}");
        var log = server.StandardOutput.ReadToEndAsync();
        var errors = await server.StandardError.ReadToEndAsync().Within();
        await server.WaitForExitAsync().Within();

        Assert.Equal(1, server.ExitCode);
        Assert.Contains($"Serving cannot start: Failed to bind to address http://127.0.0.1:{port}", errors,
            StringComparison.Ordinal);
        Assert.DoesNotContain("BackgroundService", await log + errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--Server:Port=70000", "Server:Port is 70000; it must be 0 to 65535.")]
    [InlineData("--Server:Port=many", "Server:Port")]
    [InlineData("--Server:Address=nowhere", "Server:Address is nowhere")]
    [InlineData("--Server:CertificateFile=no.pem", "Server:CertificateKeyFile is not set")]
    [InlineData("--Server:MaxReceiveMessageBytes=0", "Server:MaxReceiveMessageBytes is 0")]
    [InlineData("--Server:Threads=-1", "Server:Threads is -1; it must be 0 to 1024.")]
    [InlineData("--Server:Device=tpu", "Server:Device is tpu; it must be cpu, torch-cpu, cuda, cuda:1 and so on.")]
    [InlineData("--Server:Device=torch-cpu", "The device torch-cpu is not in this build: build with -p:Torch=cpu ")]
    [InlineData("--Server:TorchLibraries=no", "Server:TorchLibraries is no; it must be a folder with libtorch.")]
    [InlineData("--Server:WeightFormat=Float16", "Server:WeightFormat")]
    [InlineData("--Server:TrainingRank=High", "Server:TrainingRank")]
    [InlineData("--Server:TrainingRank=7", "Server:TrainingRank is 7; it must be Idle, Low or Normal.")]
    [InlineData("--Server:MaxInputs=0", "Server:MaxInputs is 0; it must be a number above 0.")]
    [InlineData("--Server:WatchInterval=-1", "Server:WatchInterval is -1.00:00:00")]
    [InlineData("--data=/dev/null", "Server:Data is /dev/null; it must be a folder.")]
    [InlineData("--Server:ShutdownTimeout=-00:00:01", "Server:ShutdownTimeout is -00:00:01")]
    public async Task WrongSetting_StopsTheStart_AndIsNamed(string setting, string message)
    {
        using var server = Start(setting);
        await server.WaitForExitAsync().Within();

        Assert.Equal(1, server.ExitCode);
        Assert.Contains(message, await server.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    /// <summary>The first entry of the log; others of the runtime's switches turn processors' features off.</summary>
    [Theory]
    [InlineData("DOTNET_PreferredVectorBitWidth", "512", "Computes on cpu ")]
    [InlineData("DOTNET_EnableHWIntrinsic", "0", "Computes on cpu scalar, 1 thread: the processor has numbers, but")]
    public async Task Log_BeginsWithWhatIsComputedOnAndWhy(string variable, string value, string expected)
    {
        using var data = new TemporaryFolder();
        using var server = Start(
            new Dictionary<string, string>(StringComparer.Ordinal) { [variable] = value },
            "--port=0", "--http-port=-1", "--Server:Threads=1", $"--data={data.At("data")}");
        var line = "";
        while (line?.StartsWith("      ", StringComparison.Ordinal) == false) // An entry's text is set in.
            line = await server.StandardOutput.ReadLineAsync().Within();

        Assert.StartsWith(expected, line?.Trim(), StringComparison.Ordinal);
        Assert.Contains(": the processor has ", line, StringComparison.Ordinal);
        Assert.Equal(0, Kill(server.Id, SigTerm));
        await server.WaitForExitAsync().Within();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);

    private static Process Start(params string[] settings) =>
        Start(new Dictionary<string, string>(StringComparer.Ordinal), settings);

    private static Process Start(Dictionary<string, string> environment, params string[] settings)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Serving.Server.dll"));
        foreach (var setting in settings)
            start.ArgumentList.Add(setting);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
