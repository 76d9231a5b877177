using System.Diagnostics;
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

    [Theory]
    [InlineData("--Server:Port=70000", "Server:Port is 70000; it must be 0 to 65535.")]
    [InlineData("--Server:Port=many", "Server:Port")]
    [InlineData("--Server:Address=nowhere", "Server:Address is nowhere")]
    [InlineData("--Server:CertificateFile=no.pem", "Server:CertificateKeyFile is not set")]
    [InlineData("--Server:MaxReceiveMessageBytes=0", "Server:MaxReceiveMessageBytes is 0")]
    [InlineData("--Server:Threads=-1", "Server:Threads is -1; it must be 0 to 1024.")]
    [InlineData("--Server:WeightFormat=Float16", "Server:WeightFormat")]
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

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);

    private static Process Start(params string[] settings)
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
        return Process.Start(start)!;
    }
}
