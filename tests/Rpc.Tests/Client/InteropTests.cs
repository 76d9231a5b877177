using Grpc.Net.Client;
using Serving.InteropClient;
using Serving.InteropHost;
using Serving.Testing;

namespace Serving.Rpc.Tests.Client;

/// <summary>The 18 interop cases, our client against our host, in this process; other stacks run them in tests/interop.</summary>
public sealed class InteropTests
{
    public static TheoryData<string> Cases => [.. InteropCases.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Case_Passes(string name)
    {
        await using var app = InteropApplication.Build(new InteropHostOptions());
        await app.StartAsync();
        var compression = new InteropClient.CountingGzipProvider();
        using var channel = GrpcChannel.ForAddress(
            app.Urls.First(), new GrpcChannelOptions { CompressionProviders = [compression] });

        await new InteropCases(channel, compression).RunAsync(name).Within();

        await app.StopAsync();
    }
}
