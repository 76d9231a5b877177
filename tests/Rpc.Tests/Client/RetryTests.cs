using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Grpc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;

namespace Serving.Rpc.Tests.Client;

/// <summary>Retries, their budget, and several addresses.</summary>
public sealed class RetryTests
{
    [Theory]
    [InlineData(2, StatusCode.OK, 3)] // two failures, then an answer
    [InlineData(9, StatusCode.Unavailable, 4)] // gives up after MaxAttempts
    public async Task RetryableFailures_AreTriedAgain(int failures, StatusCode expected, int attempts)
    {
        var seen = new List<string?>();
        await using var server = await GrpcTestServer.StartAsync(FailingService(failures, StatusCode.Unavailable, seen));
        using var channel = server.CreateChannel(options => options.ServiceConfig = Retrying());
        using var call = new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty());

        if (expected == StatusCode.OK)
        {
            await call.ResponseAsync.Within();
        }
        else
        {
            Assert.Equal(expected, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within())).StatusCode);
        }

        Assert.Equal(expected, call.GetStatus().StatusCode);
        // grpc-previous-rpc-attempts counts up from the second attempt on.
        Assert.Equal(Enumerable.Range(0, attempts).Select(i => i == 0 ? null : $"{i}"), seen);
    }

    [Fact]
    public async Task OtherFailures_AreNotTriedAgain()
    {
        var seen = new List<string?>();
        await using var server = await GrpcTestServer.StartAsync(FailingService(9, StatusCode.InvalidArgument, seen));
        using var channel = server.CreateChannel(options => options.ServiceConfig = Retrying());

        await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty()).ResponseAsync.Within());

        Assert.Single(seen);
    }

    [Fact]
    public async Task Pushback_OfTheServer_EndsRetries()
    {
        var seen = new List<string?>();
        await using var server = await GrpcTestServer.StartAsync(
            FailingService(9, StatusCode.Unavailable, seen, new Metadata { { "grpc-retry-pushback-ms", "-1" } }));
        using var channel = server.CreateChannel(options => options.ServiceConfig = Retrying());

        await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty()).ResponseAsync.Within());

        Assert.Single(seen);
    }

    [Fact]
    public async Task Budget_EndsRetriesWhenHalfOfItIsSpent()
    {
        var seen = new List<string?>();
        await using var server = await GrpcTestServer.StartAsync(FailingService(99, StatusCode.Unavailable, seen));
        using var channel = server.CreateChannel(options =>
        {
            options.ServiceConfig = Retrying();
            options.ServiceConfig.RetryThrottling = new RetryThrottlingPolicy { MaxTokens = 6, TokenRatio = 0.1 };
        });
        var client = new TestService.TestServiceClient(channel);

        for (var i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<RpcException>(() => client.EmptyCallAsync(new Empty()).ResponseAsync.Within());
        }

        // First call: 6 tokens -> 5, 4 (retried twice), 3 is half: no more. Then each call is tried once.
        Assert.Equal(3 + 1 + 1, seen.Count);
    }

    [Fact]
    public async Task ServerStreams_AreRetriedUntilTheyAnswer()
    {
        var attempts = 0;
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnOutput = async (_, responses, _) =>
            {
                if (++attempts < 3)
                {
                    throw new RpcException(new Status(StatusCode.Unavailable, ""));
                }

                await responses.WriteAsync(new StreamingOutputCallResponse());
                throw new RpcException(new Status(StatusCode.Unavailable, "after a message"));
            }
        });
        using var channel = server.CreateChannel(options => options.ServiceConfig = Retrying());
        using var call = new TestService.TestServiceClient(channel).StreamingOutputCall(new StreamingOutputCallRequest());

        Assert.True(await call.ResponseStream.MoveNext().Within());
        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().Within());

        Assert.Equal("after a message", exception.Status.Detail);
        Assert.Equal(3, attempts);
    }

    [Theory]
    [InlineData(1, "at least 2")]
    [InlineData(null, "not set")]
    public async Task BadPolicy_IsRefused(int? maxAttempts, string message)
    {
        var config = Retrying();
        config.MethodConfigs[0].RetryPolicy!.MaxAttempts = maxAttempts;
        await using var server = new RawServer();
        var client = server.CreateClient(options => options.ServiceConfig = config);

        Assert.Contains(
            message, Assert.Throws<ArgumentException>(() => client.EmptyCallAsync(new Empty())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RoundRobin_GoesToEachAddressInTurn_AndPassesOverOneThatIsDown()
    {
        var counts = new int[2];
        await using var first = await GrpcTestServer.StartAsync(CountingService(0));
        await using var second = await GrpcTestServer.StartAsync(CountingService(1));
        using var channel = BalancedChannel(new RoundRobinConfig(), first.Port, ClosedPort(), second.Port);
        var client = new TestService.TestServiceClient(channel);

        for (var i = 0; i < 10; i++)
        {
            await client.EmptyCallAsync(new Empty()).ResponseAsync.Within();
        }

        Assert.Equal([5, 5], counts);

        ScriptedService CountingService(int index) => new()
        {
            OnEmpty = (_, _) =>
            {
                Interlocked.Increment(ref counts[index]);
                return Task.FromResult(new Empty());
            }
        };
    }

    [Fact]
    public async Task NoAddressThatAnswers_IsUnavailable()
    {
        using var channel = BalancedChannel(new PickFirstConfig(), ClosedPort(), ClosedPort());

        var exception = await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty()).ResponseAsync.Within());

        Assert.Equal(StatusCode.Unavailable, exception.StatusCode);
        Assert.Contains("connecting", exception.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WaitForReady_WaitsUntilSomeoneListens()
    {
        var time = new TestTimeProvider();
        var port = ClosedPort();
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}", new GrpcChannelOptions
        {
            ServiceProvider = new ServiceCollection().AddSingleton<TimeProvider>(time).BuildServiceProvider()
        });
        var call = new TestService.TestServiceClient(channel).EmptyCallAsync(
            new Empty(), new CallOptions().WithWaitForReady());
        await Eventually.TrueAsync(() => time.WaitingTimers == 1, "the call waits to connect again");

        var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        time.Advance(TimeSpan.FromSeconds(1));
        await using var connection = await Http2Connection.AcceptAsync(listener).Within();
        await RawServer.ReadRequestAsync(connection);
        await connection.SendHeadersAsync(1, endStream: false, (":status", "200"), ("content-type", "application/grpc"));
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: false);
        await connection.SendHeadersAsync(1, endStream: true, ("grpc-status", "0"));

        await call.ResponseAsync.Within();
        listener.Dispose();
    }

    private static ScriptedService FailingService(
        int failures, StatusCode code, List<string?> seen, Metadata? trailers = null) => new()
        {
            OnEmpty = (_, context) =>
            {
                seen.Add(context.RequestHeaders.GetValue("grpc-previous-rpc-attempts"));
                return seen.Count > failures
                    ? Task.FromResult(new Empty())
                    : throw new RpcException(new Status(code, "not now"), trailers ?? []);
            }
        };

    private static ServiceConfig Retrying() => new()
    {
        MethodConfigs =
        {
            new MethodConfig
            {
                Names = { MethodName.Default },
                RetryPolicy = new RetryPolicy
                {
                    MaxAttempts = 4,
                    InitialBackoff = TimeSpan.FromMilliseconds(1),
                    MaxBackoff = TimeSpan.FromMilliseconds(4),
                    BackoffMultiplier = 2,
                    RetryableStatusCodes = { StatusCode.Unavailable }
                }
            }
        }
    };

    private static GrpcChannel BalancedChannel(LoadBalancingConfig config, params int[] ports)
    {
        var resolver = new StaticResolverFactory(_ => ports.Select(port => new BalancerAddress("127.0.0.1", port)));
        return GrpcChannel.ForAddress("static:///test", new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Insecure,
            ServiceProvider = new ServiceCollection().AddSingleton<ResolverFactory>(resolver).BuildServiceProvider(),
            ServiceConfig = new ServiceConfig { LoadBalancingConfigs = { config } }
        });
    }

    private static int ClosedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
