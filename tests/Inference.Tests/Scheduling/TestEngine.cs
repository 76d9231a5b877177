using Serving.Inference.Scheduling;
using Serving.Tensors;

namespace Serving.Inference.Tests.Scheduling;

/// <summary>An engine that runs one item a batch, by what the test says.</summary>
internal sealed class TestEngine : IEngine, IDisposable
{
    private readonly LanePool _lanes;
    private readonly Action<TestItem, TensorBackend> _run;
    private readonly List<TestItem>[] _batches;
    private readonly EngineMetrics _metrics = new("test");

    public TestEngine(LanePool lanes, TimeProvider time, Action<TestItem, TensorBackend> run)
    {
        _lanes = lanes;
        _run = run;
        _batches = [.. Enumerable.Range(0, lanes.Count).Select(_ => new List<TestItem>())];
        Queue = new(lanes, new(int.MaxValue, int.MaxValue), _metrics, time);
        lanes.Add(this);
    }

    public WorkQueue<TestItem> Queue { get; }

    bool IEngine.HasWork => Queue.HasWork;

    bool IEngine.NeedsWholeDevice => Queue.TryPeek(out var next) && next.NeedsWholeDevice;

    public Task AddAsync(string name, bool needsWholeDevice = false)
    {
        var item = new TestItem("key", name, needsWholeDevice: needsWholeDevice);
        Assert.True(Queue.TryReserve(item.FairKey, isPaced: false, out var place, out _));
        Assert.True(Queue.TryEnqueue(item, new(in item), place, out _, CancellationToken.None));
        return item.Done;
    }

    bool IEngine.TryTakeBatch(int lane, bool isWide, int idleLanes)
    {
        _batches[lane].Clear();
        Queue.Take(_batches[lane], new(Tokens: 0, Branches: 1, isWide, TakesOne: true));
        return _batches[lane].Count > 0;
    }

    void IEngine.RunBatch(int lane, TensorBackend device) => _run(_batches[lane][0], device);

    void IEngine.EndBatch(int lane, TimeSpan computed)
    {
    }

    void IEngine.AnswerBatch(int lane, TimeSpan computed) => _batches[lane][0].FinishUnits(1);

    public void Dispose()
    {
        Queue.Stop();
        _lanes.Remove(this);
        Queue.FailRest(new ObjectDisposedException(nameof(TestEngine)));
        _metrics.Dispose();
    }
}
