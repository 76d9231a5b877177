using Serving.Inference.Scheduling;
using Serving.Tensors.Cpu;

namespace Serving.Inference.Tests.Scheduling;

public sealed class WorkQueueTests : IDisposable
{
    private readonly CpuBackend _backend = new(threads: 1);
    private readonly LanePool _lanes;
    private readonly EngineMetrics _metrics = new("test");
    private readonly ManualTime _time = new();

    public WorkQueueTests() => _lanes = new(_backend, _time);

    [Fact]
    public void Reservation_HoldsAPlace_UntilItIsGivenBack()
    {
        var queue = Queue(requests: 1);
        Assert.True(queue.TryReserve("a", isPaced: false, out var place, out _));

        Assert.False(queue.TryReserve("b", isPaced: false, out var none, out var refusal));
        Assert.Null(none);
        Assert.Equal(new QueueRefusal(0, 0, TimeSpan.FromMilliseconds(10)), refusal); // Nothing waits yet.
        Assert.True(queue.TryReserve("b", isPaced: true, out _, out _));

        place.Dispose();
        place.Dispose();
        Assert.True(queue.TryReserve("b", isPaced: false, out _, out _));
        Assert.False(queue.TryReserve("b", isPaced: false, out _, out _));
    }

    [Fact]
    public void Enqueue_TakesThePlace_UntilTheItemLeavesTheQueue()
    {
        var queue = Queue(requests: 1);
        var place = Reserve(queue, "a");
        Assert.True(TryEnqueue(queue, new("a", "a0", tokens: 7), place));
        place.Dispose(); // No longer its holder's to give back.
        Assert.Equal(new QueueLoad(1, 7), queue.Waiting);
        Assert.False(queue.TryReserve("a", isPaced: false, out _, out _));

        Assert.Equal("a0", Assert.Single(Take(queue)).Name);

        Assert.Equal(default(QueueLoad), queue.Waiting);
        Assert.True(queue.TryReserve("a", isPaced: false, out _, out _));
    }

    [Fact]
    public void Enqueue_MoreTokensThanThereIsRoomFor_IsRefusedAndLeavesThePlace()
    {
        var queue = Queue(tokens: 10);
        Assert.True(TryEnqueue(queue, new("a", "a0", tokens: 4), Reserve(queue, "a")));
        var place = Reserve(queue, "b");
        Assert.False(TryEnqueue(queue, new("b", "long", tokens: 7), place));
        Assert.True(TryEnqueue(queue, new("b", "short", tokens: 6), place));
        Assert.Equal(new QueueLoad(2, 10), queue.Waiting);
    }

    [Fact]
    public void Enqueue_WithAPlaceThatIsNotItsOwn_Throws()
    {
        var queue = Queue();
        var place = Reserve(queue, "a");
        Assert.True(TryEnqueue(queue, new("a", "a0"), place));
        Assert.Throws<ArgumentException>(() => TryEnqueue(queue, new("a", "a1"), place));
        Assert.Throws<ArgumentException>(() => TryEnqueue(queue, new("a", "a2"), Reserve(Queue(), "a")));
        Assert.Equal(new QueueLoad(1, 10), queue.Waiting);
    }

    [Fact]
    public void Take_StopsBeforeWhatDoesNotFit()
    {
        var queue = Queue();
        foreach (var (name, tokens) in new[] { ("a0", 5), ("a1", 4), ("a2", 2) })
            Assert.True(TryEnqueue(queue, new("a", name, tokens), Reserve(queue, "a")));

        Assert.Empty(Take(queue, tokens: 4, takesOne: false));
        Assert.Equal(["a0"], Take(queue, tokens: 4, takesOne: true).Select(item => item.Name));
        Assert.Equal(["a1", "a2"], Take(queue, tokens: 6, takesOne: false).Select(item => item.Name));
    }

    [Fact]
    public async Task Take_DropsWhatIsOverOrLate()
    {
        var queue = Queue();
        using var cancellation = new CancellationTokenSource();
        var late = new TestItem("a", "late", deadline: _time.GetUtcNow());
        var cancelled = new TestItem("a", "cancelled");
        Assert.True(TryEnqueue(queue, late, Reserve(queue, "a")));
        Assert.True(TryEnqueue(queue, cancelled, Reserve(queue, "a"), cancellation.Token));
        Assert.True(TryEnqueue(queue, new("a", "runs"), Reserve(queue, "a")));

        await cancellation.CancelAsync();
        Assert.Equal(new QueueLoad(2, 20), queue.Waiting);
        Assert.Equal("runs", Assert.Single(Take(queue)).Name);

        await Assert.ThrowsAsync<DeadlinePassedException>(() => late.Done);
        await Assert.ThrowsAsync<TaskCanceledException>(() => cancelled.Done);
        Assert.Equal(default(QueueLoad), queue.Waiting);
    }

    [Fact]
    public void Closed_TakesNothingNew()
    {
        var queue = Queue();
        var place = Reserve(queue, "a");
        queue.Drain();
        Assert.Throws<EngineClosedException>(() => queue.TryReserve("a", isPaced: true, out _, out _));
        Assert.Throws<EngineClosedException>(() => TryEnqueue(queue, new("a", "a0"), place));
        Assert.True(queue.Stop());
        Assert.False(queue.Stop());
        Assert.Throws<ObjectDisposedException>(() => queue.TryReserve("a", isPaced: true, out _, out _));
    }

    public void Dispose()
    {
        _lanes.Dispose();
        _backend.Dispose();
        _metrics.Dispose();
    }

    private WorkQueue<TestItem> Queue(int requests = 100, int tokens = 1000) =>
        new(_lanes, new(requests, tokens), _metrics, _time);

    private static Reservation Reserve(WorkQueue<TestItem> queue, string key)
    {
        Assert.True(queue.TryReserve(key, isPaced: false, out var place, out _));
        return place;
    }

    private static bool TryEnqueue(
        WorkQueue<TestItem> queue, TestItem item, Reservation place, CancellationToken cancellationToken = default) =>
        queue.TryEnqueue(item, new(in item), place, out _, cancellationToken);

    private List<TestItem> Take(WorkQueue<TestItem> queue, int tokens = 100, bool takesOne = true)
    {
        var units = new List<TestItem>();
        lock (_lanes.Gate)
            queue.Take(units, new(tokens, Branches: 10, IsWide: false, takesOne));
        return units;
    }
}
