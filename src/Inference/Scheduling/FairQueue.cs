using System.Diagnostics.CodeAnalysis;

namespace Serving.Inference.Scheduling;

/// <summary>
/// The waiting units: highest priority first, then the least served key, then the earliest deadline.
/// </summary>
/// <remarks>
/// Keys share by tokens, as in start-time fair queuing (Goyal, Vin and Cheng 1996): each has a virtual time that
/// advances by the tokens it was served; a key that begins to wait starts no earlier than the queue's virtual time.
/// Not thread-safe.
/// </remarks>
internal sealed class FairQueue<TUnit>
    where TUnit : IWorkUnit
{
    private const int MostIdleFlows = 1024;

    private readonly Dictionary<string, Flow> _flows = new(StringComparer.Ordinal);
    private readonly List<Flow> _waiting = [];
    private long _virtualTime;

    public int Count { get; private set; }

    /// <summary>Adds a unit to the flow of its key.</summary>
    public void Enqueue(TUnit unit)
    {
        if (!_flows.TryGetValue(unit.FairKey, out var flow))
        {
            if (_flows.Count - _waiting.Count >= MostIdleFlows)
                ForgetIdle();
            _flows.Add(unit.FairKey, flow = new());
        }

        if (flow.Units.Count == 0)
        {
            flow.VirtualTime = Math.Max(flow.VirtualTime, _virtualTime);
            _waiting.Add(flow);
        }

        var item = unit.Item;
        flow.Units.Enqueue(unit, (-item.Priority, item.Deadline, item.Order));
        Count++;
    }

    /// <summary>Removes the waiting units of an item.</summary>
    /// <returns>How many units were removed.</returns>
    public int Remove(WorkItem item)
    {
        var removed = 0;
        for (var i = _waiting.Count - 1; i >= 0; i--)
        {
            var flow = _waiting[i];
            removed += flow.Remove(item);
            if (flow.Units.Count == 0)
                RemoveWaiting(i);
        }

        Count -= removed;
        return removed;
    }

    /// <summary>The unit that is next; it stays in the queue.</summary>
    public bool TryPeek([MaybeNullWhen(false)] out TUnit unit)
    {
        unit = default;
        if (Count == 0)
            return false;
        unit = _waiting[NextFlow()].Units.Peek();
        return true;
    }

    /// <summary>Takes the unit that TryPeek gave.</summary>
    public void Dequeue()
    {
        var index = NextFlow();
        var flow = _waiting[index];
        var unit = flow.Units.Dequeue();
        Count--;
        _virtualTime = Math.Max(_virtualTime, flow.VirtualTime);
        if (!unit.Item.IsOver)
            flow.VirtualTime += unit.Tokens;
        if (flow.Units.Count == 0)
            RemoveWaiting(index);
    }

    /// <summary>Forgets a key that nobody will use again; one that still waits is kept.</summary>
    public void Forget(string fairKey)
    {
        if (_flows.TryGetValue(fairKey, out var flow) && flow.Units.Count == 0)
            _flows.Remove(fairKey);
    }

    /// <summary>Forgets what keys were served that don't wait: of keys that callers choose there is no end.</summary>
    private void ForgetIdle()
    {
        foreach (var (key, flow) in _flows)
        {
            if (flow.Units.Count == 0)
                _flows.Remove(key);
        }
    }

    private void RemoveWaiting(int index)
    {
        _waiting[index] = _waiting[^1];
        _waiting.RemoveAt(_waiting.Count - 1);
    }

    private int NextFlow()
    {
        var best = 0;
        var bestKey = Key(_waiting[0]);
        for (var i = 1; i < _waiting.Count; i++)
        {
            var key = Key(_waiting[i]);
            if (key.CompareTo(bestKey) < 0)
                (best, bestKey) = (i, key);
        }

        return best;
    }

    private static (int, long, long) Key(Flow flow)
    {
        var item = flow.Units.Peek().Item;
        return (-item.Priority, flow.VirtualTime, item.Order);
    }

    private sealed class Flow
    {
        public PriorityQueue<TUnit, (int, DateTimeOffset, long)> Units { get; } = new();

        public long VirtualTime { get; set; }

        public int Remove(WorkItem item)
        {
            var removed = 0;
            foreach (var (unit, _) in Units.UnorderedItems)
            {
                if (unit.Item == item)
                    removed++;
            }

            if (removed == 0)
                return 0; // An item is in one or few of many flows.
            (TUnit, (int, DateTimeOffset, long))[] kept =
                [.. Units.UnorderedItems.Where(waiting => waiting.Element.Item != item)];
            Units.Clear();
            Units.EnqueueRange(kept);
            return removed;
        }
    }
}
