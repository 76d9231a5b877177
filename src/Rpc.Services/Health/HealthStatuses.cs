using System.Collections.Immutable;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Rpc.Services.Health;

/// <summary>
/// What is served at present, by name: a service, a task, or "" for the server as a whole. Anyone may set a status;
/// watchers see each change in order.
/// </summary>
public sealed class HealthStatuses
{
    /// <summary>The name of the server as a whole.</summary>
    public const string Server = "";

    // Guards all fields. Watchers are told inside it, so that none sees changes out of order.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, HashSet<HealthWatcher>> _watchers = new(StringComparer.Ordinal);
    private ImmutableDictionary<string, ServingStatus> _statuses =
        ImmutableDictionary.Create<string, ServingStatus>(StringComparer.Ordinal);

    private bool _isShutDown;

    /// <summary>Every known name and its status at one moment.</summary>
    public IReadOnlyDictionary<string, ServingStatus> Snapshot()
    {
        lock (_gate)
        {
            return _statuses;
        }
    }

    /// <summary>Null for an unknown name.</summary>
    public ServingStatus? Find(string name)
    {
        lock (_gate)
        {
            return _statuses.TryGetValue(name, out var status) ? status : null;
        }
    }

    /// <summary>Sets a status and tells its watchers if it is another than before. After a shutdown it does nothing.</summary>
    public void Set(string name, ServingStatus status)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (_gate)
        {
            if (!_isShutDown)
            {
                SetAndTell(name, status);
            }
        }
    }

    /// <summary>Forgets a name; its watchers see SERVICE_UNKNOWN.</summary>
    public void Remove(string name)
    {
        lock (_gate)
        {
            if (_statuses.ContainsKey(name))
            {
                _statuses = _statuses.Remove(name);
                Tell(name, ServingStatus.ServiceUnknown);
            }
        }
    }

    /// <summary>Everything becomes NOT_SERVING for good: the first step of a graceful shutdown.</summary>
    public void ShutDown()
    {
        lock (_gate)
        {
            _isShutDown = true;
            foreach (var name in _statuses.Keys)
            {
                SetAndTell(name, ServingStatus.NotServing);
            }
        }
    }

    internal HealthWatcher Watch(string name)
    {
        lock (_gate)
        {
            var status = _statuses.GetValueOrDefault(name, ServingStatus.ServiceUnknown);
            var watcher = new HealthWatcher(name, status, Unwatch);
            if (!_watchers.TryGetValue(name, out var watchers))
            {
                _watchers[name] = watchers = [];
            }

            watchers.Add(watcher);
            return watcher;
        }
    }

    private void Unwatch(HealthWatcher watcher)
    {
        lock (_gate)
        {
            if (_watchers.TryGetValue(watcher.Name, out var watchers) && watchers.Remove(watcher) && watchers.Count == 0)
            {
                _watchers.Remove(watcher.Name);
            }
        }
    }

    private void SetAndTell(string name, ServingStatus status)
    {
        if (_statuses.TryGetValue(name, out var before) && before == status)
        {
            return;
        }

        _statuses = _statuses.SetItem(name, status);
        Tell(name, status);
    }

    private void Tell(string name, ServingStatus status)
    {
        foreach (var watcher in _watchers.GetValueOrDefault(name, []))
        {
            watcher.Tell(status);
        }
    }
}
