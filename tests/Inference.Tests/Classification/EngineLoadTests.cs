using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Testing;

namespace Serving.Inference.Tests.Classification;

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

    private static bool IsIdle(EngineLoad load)
    {
        var isComputing = false;
        load.Watch(now => isComputing = now).Dispose();
        return !isComputing;
    }
}
