using Serving.Inference.Scheduling;

namespace Serving.Inference.Tests.Scheduling;

public sealed class FairQueueTests
{
    private readonly FairQueue<TestItem> _queue = new();
    private readonly List<TestItem> _items = [];
    private long _order;

    [Fact]
    public void Dequeue_BusyKey_TakesTurnsWithAQuietOne()
    {
        for (var i = 0; i < 6; i++)
            Add("busy", $"b{i}");
        Add("quiet", "q0");
        Add("quiet", "q1");
        Assert.Equal("b0 q0 b1 q1 b2 b3 b4 b5", Drain());
    }

    [Fact]
    public void Dequeue_LongTexts_CountByTheirTokens()
    {
        for (var i = 0; i < 3; i++)
            Add("long", $"l{i}", tokens: 30);
        for (var i = 0; i < 6; i++)
            Add("short", $"s{i}", tokens: 10);
        Assert.Equal("l0 s0 s1 s2 l1 s3 s4 s5 l2", Drain());
    }

    [Fact]
    public void Dequeue_KeyThatComesLate_DoesNotCatchUp()
    {
        for (var i = 0; i < 4; i++)
            Add("early", $"e{i}");
        Take(2);
        for (var i = 0; i < 4; i++)
            Add("late", $"l{i}");
        Assert.Equal("l0 e2 l1 e3 l2 l3", Drain());
    }

    [Fact]
    public void Dequeue_HigherPriority_GoesFirst()
    {
        Add("a", "a0");
        Add("b", "b0", priority: 5);
        Add("a", "a1", priority: 9);
        Assert.Equal("a1 b0 a0", Drain());
    }

    [Fact]
    public void Dequeue_WithinAKey_EarliestDeadlineGoesFirst()
    {
        Add("a", "none");
        Add("a", "late", deadlineSeconds: 9);
        Add("a", "soon", deadlineSeconds: 1);
        Assert.Equal("soon late none", Drain());
    }

    [Fact]
    public void Forget_WaitingKey_IsKept()
    {
        Add("a", "a0");
        _queue.Forget("a");
        _queue.Forget("b");
        Assert.Equal("a0", Drain());
        _queue.Forget("a");
        Assert.False(_queue.TryPeek(out _));
    }

    [Fact]
    public void Remove_TakesOutWhatWaits_AndKeepsTheOrderOfTheRest()
    {
        for (var i = 0; i < 3; i++)
            Add("a", $"a{i}");
        Add("b", "b0", tokens: 7);
        var (a1, b0) = (Named("a1"), Named("b0"));

        Assert.Equal(1, _queue.Remove(a1));
        Assert.Equal(3, _queue.Count);
        Assert.Equal(1, _queue.Remove(b0));
        Assert.Equal(0, _queue.Remove(b0));
        Assert.Equal(2, _queue.Count);
        Assert.Equal("a0 a2", Drain());
    }

    private TestItem Named(string name) => _items.Single(item => item.Name == name);

    private void Add(string key, string name, int tokens = 10, int priority = 0, double? deadlineSeconds = null)
    {
        DateTimeOffset? deadline =
            deadlineSeconds is { } seconds ? DateTimeOffset.UnixEpoch.AddSeconds(seconds) : null;
        var item = new TestItem(key, name, tokens, priority, deadline) { Order = _order++ };
        _items.Add(item);
        _queue.Enqueue(item);
    }

    private string Take(int count)
    {
        var taken = new List<string>();
        for (var i = 0; i < count && _queue.TryPeek(out var unit); i++)
        {
            taken.Add(unit.Name);
            _queue.Dequeue();
        }

        return string.Join(' ', taken);
    }

    private string Drain() => Take(int.MaxValue);
}
