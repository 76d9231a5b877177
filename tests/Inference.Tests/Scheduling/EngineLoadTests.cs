using Serving.Inference.Scheduling;
using Serving.Inference.Tests.Classification;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Inference.Tests.Scheduling;

public sealed class EngineLoadTests
{
    [Fact]
    public async Task Watcher_LearnsWhenAnEngineComputes()
    {
        var load = new EngineLoad();
        var told = new List<bool>();
        using var engine = new EngineFixture(load: load);
        engine.AddTask("t", seed: 1);
        await Eventually.TrueAsync(() => IsIdle(load), "the engine waits for work");
        var watching = load.Watch(told.Add);
        engine.Backend.Close();
        var answer = engine.Classify("a", "t");
        await engine.Backend.PassBeganAsync();
        Assert.Equal([false, true], told);
        engine.Backend.Open();
        await answer.Within();
        await Eventually.TrueAsync(() => IsIdle(load), "the engine waits for work");
        Assert.Equal([false, true, false], told);

        watching.Dispose();
        await engine.Classify("a", "t").Within();
        Assert.Equal(3, told.Count);
    }

    [Fact]
    public void Watcher_OfSeveralEngines_LearnsWhenTheFirstBeginsAndTheLastEnds()
    {
        var load = new EngineLoad();
        var told = new List<bool>();
        load.Begin();
        using var watching = load.Watch(told.Add);
        load.Begin();
        load.End();
        load.End();
        load.Begin();
        Assert.Equal([true, false, true], told);
    }

    [Fact]
    public async Task Engine_ThatIsDisposedOf_ComputesNoMore()
    {
        var load = new EngineLoad();
        using (var engine = new EngineFixture(load: load))
        {
            engine.AddTask("t", seed: 1);
            await engine.Classify("a", "t").Within();
        }

        Assert.True(IsIdle(load));
    }

    [Fact]
    public async Task Watcher_ThatTakesItsTime_HoldsUpTheBatchButNobodyWhoQueues()
    {
        var load = new EngineLoad();
        var halting = new SyncPoint();
        using var engine = new EngineFixture(load: load);
        engine.AddTask("t", seed: 1);
        await Eventually.TrueAsync(() => IsIdle(load), "the engine waits for work");
        using var watching = load.Watch(isComputing =>
        {
            if (isComputing)
                halting.Reach();
        });
        var first = engine.Classify("a", "t");
        await halting.ReachedAsync();

        var second = await Task.Run(() => Task.FromResult(engine.Classify("a", "t"))).Within();

        Assert.Empty(engine.Backend.Passes);
        halting.Release();
        await Task.WhenAll(first, second).Within();
    }

    [Fact]
    public async Task Watcher_UnderTraffic_LearnsOfEachChangeInTurn_BeforeBatchesRun()
    {
        using var backend = new CpuBackend(threads: 2);
        var load = new EngineLoad();
        var told = new List<bool>();
        var ranUntold = 0;
        using (load.Watch(Note))
        {
            using var lanes = new LanePool(backend, TimeProvider.System, load);
            using var one = new TestEngine(lanes, TimeProvider.System, Run);
            using var other = new TestEngine(lanes, TimeProvider.System, Run);
            var callers = Enumerable.Range(0, 4).Select(caller => Task.Run(async () =>
            {
                for (var i = 0; i < 500; i++)
                    await (caller % 2 == 0 ? one : other).AddAsync("a");
            }));
            await Task.WhenAll(callers).Within();
            await Eventually.TrueAsync(() => IsIdle(load), "the lanes wait for work");
        }

        Assert.Equal(0, ranUntold);
        Assert.Equal(told.Select((_, i) => i % 2 == 1), told); // Idle first, then in turns.
        Assert.False(told[^1]);

        void Note(bool isComputing)
        {
            lock (told)
                told.Add(isComputing);
        }

        void Run(TestItem item, TensorBackend device)
        {
            lock (told)
                ranUntold += told[^1] ? 0 : 1;
        }
    }

    private static bool IsIdle(EngineLoad load)
    {
        var isComputing = false;
        load.Watch(now => isComputing = now).Dispose();
        return !isComputing;
    }
}
