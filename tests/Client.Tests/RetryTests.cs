using System.Collections.Concurrent;
using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.Client.Tests;

/// <summary>Retries and their budget.</summary>
public sealed class RetryTests
{
    private readonly ConcurrentQueue<string?> _attempts = new();

    [Theory]
    [InlineData(2, 4, true, 3)] // Two failures, then an answer.
    [InlineData(3, 4, true, 4)]
    [InlineData(9, 4, false, 4)] // Gives up after MaxAttempts.
    [InlineData(9, 2, false, 2)]
    [InlineData(1, 1, false, 1)]
    public async Task Unavailable_IsTriedAgain_UntilItAnswersOrMaxAttempts(
        int failures, int maxAttempts, bool isAnswered, int attempts)
    {
        await using var server = await FailingServerAsync(failures, () => Failures.Of(StatusCode.Unavailable));
        using var client = new ServingClient(server.Options() with { MaxAttempts = maxAttempts });

        var call = client.Models.GetLimitsAsync(new()).ResponseAsync;

        if (isAnswered)
            await call.Within();
        else
            Assert.Equal(
                StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => call.Within())).StatusCode);
        // grpc-previous-rpc-attempts counts up from the second attempt on.
        Assert.Equal(Enumerable.Range(0, attempts).Select(i => i == 0 ? null : $"{i}"), _attempts);
    }

    public static TheoryData<StatusCode> OtherFailures =>
        [.. Enum.GetValues<StatusCode>().Where(code => code is not (StatusCode.OK or StatusCode.Unavailable))];

    [Theory]
    [MemberData(nameof(OtherFailures))]
    public async Task OtherFailures_AreNotTriedAgain(StatusCode code)
    {
        await using var server = await FailingServerAsync(9, () => Failures.Of(code));
        using var client = new ServingClient(server.Options());

        var failure = await Assert.ThrowsAsync<RpcException>(
            () => client.Models.GetLimitsAsync(new()).ResponseAsync.Within());

        Assert.Equal(code, failure.StatusCode);
        Assert.Single(_attempts);
    }

    [Theory]
    [InlineData("-1", 1)] // Don't.
    [InlineData("0", 4)] // At once.
    public async Task PushbackOfTheServer_DecidesOnRetries(string milliseconds, int attempts)
    {
        await using var server = await FailingServerAsync(
            9, () => Failures.Of(StatusCode.Unavailable, new() { { "grpc-retry-pushback-ms", milliseconds } }));
        using var client = new ServingClient(server.Options());

        await Assert.ThrowsAsync<RpcException>(() => client.Models.GetLimitsAsync(new()).ResponseAsync.Within());

        Assert.Equal(attempts, _attempts.Count);
    }

    [Fact]
    public async Task PushbackOfTheServer_DelaysTheRetry()
    {
        await using var server = await FailingServerAsync(
            // An hour.
            9, () => Failures.Of(StatusCode.Unavailable, new() { { "grpc-retry-pushback-ms", "3600000" } }));
        using var client = new ServingClient(server.Options());
        using var cancellation = new CancellationTokenSource();
        var call = client.Models.GetLimitsAsync(
            new(), deadline: DateTime.UtcNow.AddSeconds(3), cancellationToken: cancellation.Token);

        var failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within());

        // By itself it would have tried in half a second.
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        Assert.InRange(_attempts.Count, 0, 1);
    }

    [Fact]
    public async Task Budget_EndsRetriesWhenHalfOfItIsSpent()
    {
        await using var server = await FailingServerAsync(99, () => Failures.Of(StatusCode.Unavailable));
        using var client = new ServingClient(server.Options() with { RetryTokens = 6 });

        for (var i = 0; i < 3; i++)
            await Assert.ThrowsAsync<RpcException>(() => client.Models.GetLimitsAsync(new()).ResponseAsync.Within());

        // First call: 6 tokens -> 5, 4 (retried twice), 3 is half: no more. Then each call is tried once.
        Assert.Equal(3 + 1 + 1, _attempts.Count);
    }

    [Fact]
    public async Task ServerStreams_AreTriedAgainUntilTheyAnswer()
    {
        var attempts = 0;
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnWatch = async (_, events, _) =>
            {
                if (++attempts < 3)
                    throw Failures.Of(StatusCode.Unavailable);
                await events.WriteAsync(new() { Number = 1 });
                throw Failures.Of(StatusCode.Unavailable);
            }
        });
        using var client = new ServingClient(server.Options());
        using var call = client.Jobs.WatchJob(new());

        Assert.True(await call.ResponseStream.MoveNext(default).Within());
        var failure = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(default).Within());

        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.Equal(3, attempts);
    }

    /// <summary>
    /// What a server can't take now it will not take a moment later: RESOURCE_EXHAUSTED feeds the throttle.
    /// </summary>
    [Fact]
    public async Task CallsThatServersTurnAway_AreHeldBack()
    {
        var seen = 0;
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnClassify = (_, _) =>
            {
                Interlocked.Increment(ref seen);
                throw Failures.Full(TimeSpan.FromSeconds(60));
            }
        });
        using var client = new ServingClient(
            server.Options() with { Time = new TestTimeProvider(), Timeout = TimeSpan.FromDays(3650) });

        for (var i = 0; i < 100; i++)
        {
            var failure = await Assert.ThrowsAsync<RpcException>(
                () => client.Classifier.ClassifyAsync(
                    new() { Tasks = { new TaskReference { Task = "t" } } }).ResponseAsync.Within());
            Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        }

        Assert.Equal(1, seen); // Time stands still: no more is due.
    }

    private Task<ScriptedServer> FailingServerAsync(int failures, Func<RpcException> failure) =>
        ScriptedServer.StartAsync(new()
        {
            OnLimits = context =>
            {
                _attempts.Enqueue(context.RequestHeaders.GetValue("grpc-previous-rpc-attempts"));
                return _attempts.Count > failures ? Task.FromResult(new Limits()) : throw failure();
            }
        });
}
