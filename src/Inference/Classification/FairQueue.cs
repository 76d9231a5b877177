namespace Serving.Inference.Classification;

/// <summary>
/// The waiting units: highest priority first, then the least served task, then the earliest deadline.
/// </summary>
/// <remarks>
/// Tasks share by tokens, as in start-time fair queuing (Goyal, Vin and Cheng 1996): each has a virtual time that
/// advances by the tokens it was served; a task that begins to wait starts no earlier than the queue's virtual time.
/// Not thread-safe.
/// </remarks>
internal sealed class FairQueue
{
    private readonly Dictionary<string, Flow> _flows = new(StringComparer.Ordinal);
    private readonly List<Flow> _waiting = [];
    private long _virtualTime;

    public int Count { get; private set; }

    /// <summary>Adds a unit to the flow of a task.</summary>
    public void Enqueue(string task, WorkUnit unit)
    {
        if (!_flows.TryGetValue(task, out var flow))
            _flows.Add(task, flow = new());
        if (flow.Units.Count == 0)
        {
            flow.VirtualTime = Math.Max(flow.VirtualTime, _virtualTime);
            _waiting.Add(flow);
        }

        var request = unit.Request;
        flow.Units.Enqueue(unit, (-request.Priority, request.Deadline, request.Order));
        Count++;
    }

    /// <summary>Removes the waiting units of a request.</summary>
    /// <returns>How many units were removed.</returns>
    public int Remove(PendingRequest request)
    {
        var removed = 0;
        for (var i = _waiting.Count - 1; i >= 0; i--)
        {
            var flow = _waiting[i];
            removed += flow.Remove(request);
            if (flow.Units.Count == 0)
                RemoveWaiting(i);
        }

        Count -= removed;
        return removed;
    }

    /// <summary>The unit that is next; it stays in the queue.</summary>
    public bool TryPeek(out WorkUnit unit)
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
        if (!unit.Request.IsOver)
            flow.VirtualTime += unit.Tokens;
        if (flow.Units.Count == 0)
            RemoveWaiting(index);
    }

    /// <summary>Forgets a task that nobody will ask for again; one that still waits is kept.</summary>
    public void Forget(string task)
    {
        if (_flows.TryGetValue(task, out var flow) && flow.Units.Count == 0)
            _flows.Remove(task);
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
        var request = flow.Units.Peek().Request;
        return (-request.Priority, flow.VirtualTime, request.Order);
    }

    private sealed class Flow
    {
        public PriorityQueue<WorkUnit, (int, DateTimeOffset, long)> Units { get; } = new();

        public long VirtualTime { get; set; }

        public int Remove(PendingRequest request)
        {
            var removed = 0;
            foreach (var (unit, _) in Units.UnorderedItems)
            {
                if (unit.Request == request)
                    removed++;
            }

            if (removed == 0)
                return 0; // A request is in one or few of many flows.
            (WorkUnit, (int, DateTimeOffset, long))[] kept =
                [.. Units.UnorderedItems.Where(item => item.Element.Request != request)];
            Units.Clear();
            Units.EnqueueRange(kept);
            return removed;
        }
    }
}
