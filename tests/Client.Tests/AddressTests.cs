using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;
using Serving.V1;

namespace Serving.Client.Tests;

/// <summary>Several addresses, and connections that are lost.</summary>
public sealed class AddressTests
{
    private readonly int[] _counts = new int[2];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_GoToEachAddressInTurn_PastOneThatIsDown(bool isInjected)
    {
        await using var first = await CountingServerAsync(0);
        await using var second = await CountingServerAsync(1);
        var options = new ServingClientOptions { Addresses = [first.Address, Closed(), second.Address] };
        await using var provider = isInjected ? Inject(options) : null;
        using var client = provider?.GetRequiredService<ServingClient>() ?? new ServingClient(options);

        // Both are connected to: which a call waits for until then is the first that is.
        await Eventually.TrueAsync(
            () =>
            {
                client.Models.GetLimits(new());
                return _counts.All(count => count > 0);
            },
            "each has had a call");
        var before = _counts.ToArray();
        for (var i = 0; i < 20; i++)
            await client.Models.GetLimitsAsync(new()).ResponseAsync.Within();

        Assert.Equal([10, 10], _counts.Zip(before, (after, was) => after - was));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task NoAddressThatAnswers_IsUnavailable(int addresses)
    {
        using var client = new ServingClient(
            new ServingClientOptions
            {
                Addresses = [.. Enumerable.Range(0, addresses).Select(_ => Closed())],
                MaxAttempts = 2
            });

        var failure = await Assert.ThrowsAsync<RpcException>(
            () => client.Models.GetLimitsAsync(new()).ResponseAsync.Within());

        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
    }

    [Fact]
    public async Task ServerThatComesBack_IsConnectedToAgain()
    {
        var server = await CountingServerAsync(0);
        var address = server.Address;
        using var client = new ServingClient(server.Options());
        await client.Models.GetLimitsAsync(new()).ResponseAsync.Within();
        await server.DisposeAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(
            () => client.Models.GetLimitsAsync(new()).ResponseAsync.Within());
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);

        await using var again = await CountingServerAsync(1, address.Port);
        await Eventually.TrueAsync( // Once the channel is due to connect again.
            () => Record.Exception(() => client.Models.GetLimits(new())) is null, "a call is answered");

        Assert.Equal([1, 1], _counts);
    }

    [Fact]
    public async Task ConnectionThatIsLost_IsTriedAgain_BeforeAnAnswerOnly()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new ServingClient(
            listener.LocalEndpoint is IPEndPoint { Port: var port } ? $"http://127.0.0.1:{port}" : "");
        var call = client.Models.GetLimitsAsync(new());
        await using (var connection = await Http2Connection.AcceptAsync(listener).Within())
        {
            await ReadRequestAsync(connection);
        }

        await using var second = await Http2Connection.AcceptAsync(listener).Within();
        await ReadRequestAsync(second);
        await second.SendHeadersAsync(1, endStream: false, (":status", "200"), ("content-type", "application/grpc"));
        await second.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: false);
        await second.SendHeadersAsync(1, endStream: true, ("grpc-status", "0"));
        await call.ResponseAsync.Within();

        using var watch = client.Jobs.WatchJob(new());
        await ReadRequestAsync(second);
        await second.SendHeadersAsync(3, endStream: false, (":status", "200"), ("content-type", "application/grpc"));
        await watch.ResponseHeadersAsync.Within();
        await second.DisposeAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(default).Within());

        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
    }

    private static async Task ReadRequestAsync(Http2Connection connection)
    {
        while ((await connection.ReadAsync().Within())!.Type != Http2FrameType.Headers)
        {
        }
    }

    private static ServiceProvider Inject(ServingClientOptions options)
    {
        var services = new ServiceCollection();
        services.AddServingClient(options);
        return services.BuildServiceProvider();
    }

    private Task<ScriptedServer> CountingServerAsync(int index, int port = 0) => ScriptedServer.StartAsync(
        new()
        {
            OnLimits = _ =>
            {
                Interlocked.Increment(ref _counts[index]);
                return Task.FromResult(new Limits());
            }
        },
        port);

    /// <summary>An address at which nobody listens.</summary>
    private static Uri Closed()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
    }
}
