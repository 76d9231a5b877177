using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace Serving.Server;

/// <summary>The verb "health": asks a running server whether it serves, for containers without other tools.</summary>
internal static class HealthCommand
{
    public const string Verb = "health";

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <param name="args">"--server", URL of gRPC; by default the port of this server's settings on loopback.</param>
    /// <returns>0 if it is SERVING, 1 if not, 2 for wrong arguments.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        var address = args is ["--server", var given] ? given : DefaultServer();
        if (args is not ([] or ["--server", _])
            || !Uri.TryCreate(address, UriKind.Absolute, out var server)
            || server.Scheme is not ("http" or "https"))
        {
            await Console.Error.WriteLineAsync("Usage: health [--server http://HOST:PORT]");
            return 2;
        }

        using var channel = GrpcChannel.ForAddress(server);
        try
        {
            var response = await new Health.HealthClient(channel)
                .CheckAsync(new(), deadline: (TimeProvider.System.GetUtcNow() + Timeout).UtcDateTime);
            Console.WriteLine(response.Status);
            return response.Status == HealthCheckResponse.Types.ServingStatus.Serving ? 0 : 1;
        }
        catch (RpcException exception)
        {
            await Console.Error.WriteLineAsync($"{server}: {exception.StatusCode}: {exception.Status.Detail}");
            return 1;
        }
    }

    private static string DefaultServer()
    {
        var options = ServerApplication.ReadOptions(new ConfigurationBuilder().AddEnvironmentVariables().Build());
        return $"{(options.CertificateFile is null ? "http" : "https")}://localhost:{options.Port}";
    }
}
