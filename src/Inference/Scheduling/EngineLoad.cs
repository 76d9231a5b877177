namespace Serving.Inference.Scheduling;

/// <summary>Whether any of several engines computes; background work watches it to make room.</summary>
public sealed class EngineLoad
{
    private readonly Lock _gate = new();
    private readonly List<Action<bool>> _watchers = [];
    private int _computing;

    /// <summary>Tells a watcher whether an engine computes, now and at each change, until it is disposed.</summary>
    /// <param name="changed">
    /// Called one at a time on the lanes' threads, which wait for it; who queues does not.
    /// </param>
    public IDisposable Watch(Action<bool> changed)
    {
        lock (_gate)
        {
            _watchers.Add(changed);
            changed(_computing > 0);
        }

        return new Subscription(this, changed);
    }

    /// <summary>Notes that an engine has work.</summary>
    internal void Begin()
    {
        lock (_gate)
        {
            if (_computing++ == 0)
                Tell(isComputing: true);
        }
    }

    /// <summary>Notes that an engine has no work left.</summary>
    internal void End()
    {
        lock (_gate)
        {
            if (--_computing == 0)
                Tell(isComputing: false);
        }
    }

    private void Tell(bool isComputing)
    {
        foreach (var watcher in _watchers)
            watcher(isComputing);
    }

    private sealed class Subscription(EngineLoad load, Action<bool> watcher) : IDisposable
    {
        public void Dispose()
        {
            lock (load._gate)
                load._watchers.Remove(watcher);
        }
    }
}
