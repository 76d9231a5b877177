namespace Serving.Inference;

/// <summary>Whether any of several engines computes, for those who make room for them.</summary>
public sealed class EngineLoad
{
    private readonly Lock _gate = new();
    private readonly List<Action<bool>> _watchers = [];
    private int _computing;

    /// <summary>Tells a watcher whether an engine computes, now and whenever it changes, until what is returned is disposed of.</summary>
    /// <param name="changed">Called in turn, on the threads of the engines, which wait for it: it should be quick.</param>
    public IDisposable Watch(Action<bool> changed)
    {
        lock (_gate)
        {
            _watchers.Add(changed);
            changed(_computing > 0);
        }

        return new Subscription(this, changed);
    }

    /// <summary>An engine has found something to do.</summary>
    internal void Begin()
    {
        lock (_gate)
        {
            if (_computing++ == 0)
                Tell(isComputing: true);
        }
    }

    /// <summary>It has nothing left to do.</summary>
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
