namespace Serving.Inference.Scheduling;

/// <summary>The memory budgets of all devices, by name. Thread-safe.</summary>
/// <param name="canonical">Of several names of one device, the one; and the same for its own.</param>
/// <param name="bytesOf">What may be used of a device; null for no limit.</param>
public sealed class MemoryBudgets(Func<string, string> canonical, Func<string, long?> bytesOf)
{
    private readonly Lock _gate = new(); // Guards what follows.
    private readonly Dictionary<string, MemoryBudget> _budgets = new(StringComparer.Ordinal);
    private readonly List<Action> _watchers = [];

    public MemoryBudget Of(string device)
    {
        var name = canonical(device);
        lock (_gate)
        {
            if (!_budgets.TryGetValue(name, out var budget))
                _budgets[name] = budget = new(name, bytesOf(name), Tell);
            return budget;
        }
    }

    /// <summary>Tells a watcher when there may be more room on one of them, until it is disposed.</summary>
    public IDisposable Watch(Action freed)
    {
        lock (_gate)
            _watchers.Add(freed);
        return new Subscription(this, freed);
    }

    private void Tell()
    {
        lock (_gate)
        {
            foreach (var watcher in _watchers)
                watcher();
        }
    }

    private sealed class Subscription(MemoryBudgets budgets, Action watcher) : IDisposable
    {
        public void Dispose()
        {
            lock (budgets._gate)
                budgets._watchers.Remove(watcher);
        }
    }
}
