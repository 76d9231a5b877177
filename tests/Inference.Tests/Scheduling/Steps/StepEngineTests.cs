using Serving.Inference.Scheduling;
using Serving.Inference.Tests.Classification;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Inference.Tests.Scheduling.Steps;

public sealed class StepEngineTests : IDisposable
{
    private readonly CpuBackend _backend = new(threads: 2);
    private readonly LanePool _lanes;
    private readonly SyncPoint _firstStep = new();
    private readonly List<string> _steps = [];

    public StepEngineTests() => _lanes = new(_backend, TimeProvider.System);

    [Fact]
    public async Task Sequences_JoinAndLeaveBetweenSteps()
    {
        using var engine = Engine();
        var a = engine.RunAsync("a", prompt: 3, steps: 4);
        await _firstStep.ReachedAsync();
        var b = engine.RunAsync("b", prompt: 3, steps: 1);
        var c = engine.RunAsync("c", prompt: 3, steps: 2);
        _firstStep.Release();

        Assert.Equal(new[] { 4, 1, 2 }, await Task.WhenAll(a, b, c).Within());
        Assert.Equal(["a", "a b c", "a c", "a"], _steps);
    }

    [Fact]
    public async Task Sequence_ThatTheCacheHasNoRoomFor_JoinsWhenAnotherLeaves()
    {
        using var engine = Engine(cacheTokens: 10);
        var a = engine.RunAsync("a", prompt: 2, steps: 2);
        await _firstStep.ReachedAsync();
        var b = engine.RunAsync("b", prompt: 3, steps: 3);
        var c = engine.RunAsync("c", prompt: 1, steps: 2);
        _firstStep.Release();

        await Task.WhenAll(a, b, c).Within();
        Assert.Equal(["a", "a b", "b c", "b c"], _steps); // 4, 4 + 6, 6 + 3 tokens.
    }

    [Fact]
    public async Task Sequence_ThatIsCancelled_LeavesAfterItsStep()
    {
        using var engine = Engine();
        using var cancellation = new CancellationTokenSource();
        var a = engine.RunAsync("a", prompt: 1, steps: 1000, cancellation.Token);
        await _firstStep.ReachedAsync();
        var b = engine.RunAsync("b", prompt: 1, steps: 2);
        await cancellation.CancelAsync();
        await Assert.ThrowsAsync<TaskCanceledException>(() => a);
        _firstStep.Release();

        await b.Within();
        Assert.Equal(["a", "b", "b"], _steps);
    }

    [Fact]
    public async Task Drain_LetsSequencesComeToTheirEnd()
    {
        using var engine = Engine();
        var a = engine.RunAsync("a", prompt: 1, steps: 3);
        await _firstStep.ReachedAsync();
        var drained = engine.DrainAsync();
        Assert.Throws<EngineClosedException>(() => { _ = engine.RunAsync("b", prompt: 1, steps: 1); });
        Assert.False(drained.IsCompleted);
        _firstStep.Release();

        await drained.Within();
        Assert.True(a.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Dispose_FailsWhatRuns()
    {
        var engine = Engine();
        var a = engine.RunAsync("a", prompt: 1, steps: 1000);
        await _firstStep.ReachedAsync();
        var disposing = Task.Run(engine.Dispose);
        await Eventually.TrueAsync(
            () => Record.Exception(() => { _ = engine.RunAsync("b", prompt: 1, steps: 1); }) is ObjectDisposedException,
            "it takes nothing new");
        _firstStep.Release();
        await disposing.Within();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => a);
        Assert.Equal(["a"], _steps);
    }

    [Fact]
    public async Task Steps_AndAnotherEnginesBatches_TakeTurns()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("t", seed: 1);
        Task? answer = null;
        var answeredAt = new List<bool>();
        using var engine = new StepEngine(fixture.Lanes, cacheTokens: 100, fixture.Time, _ =>
        {
            answeredAt.Add(answer?.IsCompleted == true);
            _firstStep.Reach();
        });
        var sequence = engine.RunAsync("a", prompt: 1, steps: 3);
        await _firstStep.ReachedAsync();
        answer = fixture.Classify("a", "t");
        _firstStep.Release();

        await sequence.Within();
        Assert.Equal([false, true, true], answeredAt); // The classification ran after one step.
    }

    public void Dispose()
    {
        _firstStep.Release();
        _lanes.Dispose();
        _backend.Dispose();
    }

    private StepEngine Engine(int cacheTokens = 10_000) => new(_lanes, cacheTokens, TimeProvider.System, running =>
    {
        _steps.Add(string.Join(' ', running.Select(sequence => sequence.Name)));
        _firstStep.Reach();
    });
}
