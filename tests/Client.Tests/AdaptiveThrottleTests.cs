using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Serving.Testing;
using Serving.V1;

namespace Serving.Client.Tests;

public sealed class AdaptiveThrottleTests
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(40);

    private readonly TestTimeProvider _time = new();
    private int _sent;

    [Fact]
    public async Task Call_WhileServersTakeAll_IsSent_AlsoIfItFailsOtherwise()
    {
        var throttle = new AdaptiveThrottle(1.25, _time);
        for (var i = 0; i < 1000; i++)
        {
            Task<ClassifyResponse> answer = (i % 3) switch
            {
                0 => Task.FromResult(new ClassifyResponse()),
                1 => Task.FromException<ClassifyResponse>(Failures.Of(StatusCode.InvalidArgument)),
                _ => Task.FromException<ClassifyResponse>(Failures.Of(StatusCode.ResourceExhausted))
            };
            var sent = await Record.ExceptionAsync(() => Call(throttle, "t", answer));
            Assert.Equal(await Record.ExceptionAsync(() => answer), sent);
        }

        Assert.Equal(1000, _sent);
    }

    [Fact]
    public async Task Call_WhileServersTurnMostAway_IsSentForEachThatTheyTakeTimesTheMultiplier()
    {
        const double multiplier = 1.25;
        var throttle = new AdaptiveThrottle(multiplier, _time);
        await OfferAsync(throttle, seconds: 20);

        _sent = 0;
        var (taken, heldBack) = await OfferAsync(throttle, seconds: 5);

        Assert.InRange(taken, 1180, 1250); // As many as the server can: it always sees enough.
        Assert.InRange(_sent / (double)taken, multiplier - 0.1, multiplier + 0.1);
        Assert.Equal(5000, _sent + heldBack.Count);
        Assert.All(heldBack, error =>
        {
            Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
            Assert.Contains("'t'", error.Status.Detail, StringComparison.Ordinal);
            Assert.Equal(RetryDelay, error.GetRpcStatus()!.GetDetail<RetryInfo>()!.RetryDelay.ToTimeSpan());
            Assert.Equal(AdaptiveThrottle.Reason, error.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason);
        });
    }

    [Fact]
    public async Task Call_AfterServersTakeAllAgain_IsSentAgain_AndThoseForOtherTasksAlwaysWere()
    {
        var throttle = new AdaptiveThrottle(1.25, _time);
        await OfferAsync(throttle, seconds: 10);
        _sent = 0;
        for (var i = 0; i < 1000; i++)
            await Call(throttle, "other", Task.FromResult(new ClassifyResponse()));
        Assert.Equal(1000, _sent);

        await OfferAsync(throttle, seconds: 5, capacityPerSecond: 1000);
        _sent = 0;
        var (taken, heldBack) = await OfferAsync(throttle, seconds: 5, capacityPerSecond: 1000);

        Assert.Equal((5000, 5000, 0), (_sent, taken, heldBack.Count));
    }

    [Fact]
    public async Task Call_SoonAfterABurst_IsSentAgain_AsFastAsServersTakeThem()
    {
        var throttle = new AdaptiveThrottle(1.4, _time);
        await OfferAsync(throttle, seconds: 10);

        for (var second = 0; second < 3; second++)
        {
            var (taken, heldBack) = await OfferAsync(throttle, seconds: 1, offeredPerSecond: 250);
            Assert.Equal((250, 0), (taken, heldBack.Count));
        }
    }

    [Fact]
    public async Task Call_AfterTheTimeThatTheServerNamed_IsSent_SoThatBurstsGetWhatRoomThereIs()
    {
        var throttle = new AdaptiveThrottle(1.4, _time);
        for (var burst = 0; burst < 5; burst++)
        {
            _time.Advance(RetryDelay + TimeSpan.FromMilliseconds(1));
            _sent = 0;
            for (var i = 0; i < 200; i++)
            {
                await Record.ExceptionAsync(() => Call(throttle, "t", i < 100
                    ? Task.FromResult(new ClassifyResponse())
                    : Task.FromException<ClassifyResponse>(Failures.Full(RetryDelay))));
            }

            Assert.Equal(101, _sent); // All that there is room for, and the one that found out.
        }
    }

    [Fact]
    public async Task Call_AfterASlowSpell_IsSentAgain_WithinSeconds()
    {
        var throttle = new AdaptiveThrottle(1.4, _time);
        await OfferAsync(throttle, seconds: 10, capacityPerSecond: 20);

        await OfferAsync(throttle, seconds: 3, capacityPerSecond: 1000);

        Assert.Empty((await OfferAsync(throttle, seconds: 1, capacityPerSecond: 1000)).HeldBack);
    }

    [Fact]
    public async Task BlockingCall_CountsAndIsHeldBackLikeOthers()
    {
        var throttle = new AdaptiveThrottle(1.25, _time);
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            Assert.Null(Record.Exception(() => Block(throttle, failure: null)));
        }

        var full = Failures.Full(RetryDelay);
        Assert.Same(full, Record.Exception(() => Block(throttle, full)));
        _sent = 0;
        _time.Advance(TimeSpan.FromMilliseconds(20));

        var failures = Enumerable.Range(0, 100)
            .Select(_ => Record.Exception(() => Block(throttle, failure: null)))
            .ToList();

        Assert.Equal(1, _sent); // 1.25 times the 63 that count of a hundred a second, 0.02 s long.
        Assert.Equal(100 - _sent, failures.OfType<RpcException>().Count(error =>
            error.GetRpcStatus()?.GetDetail<ErrorInfo>()?.Reason == AdaptiveThrottle.Reason));
        await OfferAsync(throttle, seconds: 3, capacityPerSecond: 1000);
        Assert.Null(Record.Exception(() => Block(throttle, failure: null)));
    }

    [Fact]
    public async Task Call_WithAnEndlessMultiplier_IsSent()
    {
        var throttle = new AdaptiveThrottle(double.PositiveInfinity, _time);
        await OfferAsync(throttle, seconds: 5);

        Assert.Equal(5000, _sent);
    }

    [Theory]
    [InlineData(0.99)]
    [InlineData(double.NaN)]
    public void Options_MultiplierBelowOne_IsRefused(double multiplier)
    {
        var options =
            new ServingClientOptions { Addresses = [new Uri("http://localhost:1")], ThrottleMultiplier = multiplier };

        Assert.Throws<ArgumentOutOfRangeException>(() => new ServingClient(options));
    }

    /// <summary>Calls to a server that takes so many.</summary>
    private async Task<(int Taken, List<RpcException> HeldBack)> OfferAsync(
        AdaptiveThrottle throttle, int seconds, double capacityPerSecond = 250, int offeredPerSecond = 1000)
    {
        var (taken, room) = (0, 0.0);
        var heldBack = new List<RpcException>();
        for (var i = 0; i < offeredPerSecond * seconds; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1) / offeredPerSecond);
            room = Math.Min(5, room + (capacityPerSecond / offeredPerSecond));
            var sentBefore = _sent;
            var answer = room >= 1
                ? Task.FromResult(new ClassifyResponse())
                : Task.FromException<ClassifyResponse>(Failures.Full(RetryDelay));
            var failure = await Record.ExceptionAsync(() => Call(throttle, "t", answer));
            if (_sent == sentBefore)
                heldBack.Add(Assert.IsType<RpcException>(failure));
            else if (failure is null)
                (taken, room) = (taken + 1, room - 1);
        }

        return (taken, heldBack);
    }

    private ClassifyResponse Block(AdaptiveThrottle throttle, RpcException? failure) => throttle.BlockingUnaryCall(
        Request("t"),
        Context(),
        (_, _) =>
        {
            _sent++;
            return failure is null ? new() : throw failure;
        });

    private static ClassifyRequest Request(string task) => new() { Tasks = { new TaskReference { Task = task } } };

    private static ClientInterceptorContext<ClassifyRequest, ClassifyResponse> Context() => new(
        new Method<ClassifyRequest, ClassifyResponse>(
            MethodType.Unary,
            "serving.v1.Classifier",
            "Classify",
            Marshallers.Create<ClassifyRequest>(_ => [], _ => new()),
            Marshallers.Create<ClassifyResponse>(_ => [], _ => new())),
        host: null,
        default);

    private Task<ClassifyResponse> Call(AdaptiveThrottle throttle, string task, Task<ClassifyResponse> answer)
    {
        return throttle.AsyncUnaryCall(
            Request(task),
            Context(),
            (_, _) =>
            {
                _sent++;
                return new(answer, Task.FromResult(new Metadata()), () => default, () => [], () => { });
            }).ResponseAsync;
    }
}
