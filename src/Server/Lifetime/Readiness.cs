using Grpc.HealthCheck;
using Serving.Catalog;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Server.Lifetime;

/// <summary>Whether the server takes calls, told through grpc.health.v1 the moment it changes.</summary>
/// <remarks>
/// "" is the server as a whole; each service and, as "tasks/NAME" and "devices/NAME", each task and each device has a
/// status of its own. "liveness" is
/// SERVING for as long as the process listens, also while models load, unless a device is gone.
/// </remarks>
internal sealed class Readiness(HealthServiceImpl health)
{
    private static readonly string[] Services =
    [
        "", V1.Classifier.Descriptor.FullName, V1.Embedder.Descriptor.FullName,
        V1.Generator.Descriptor.FullName, V1.Tasks.Descriptor.FullName, V1.Models.Descriptor.FullName,
        V1.Datasets.Descriptor.FullName, V1.Jobs.Descriptor.FullName
    ];

    private readonly Lock _gate = new(); // Guards _tasks and _isStopping, so that nothing serves again once it stops.

    private readonly HashSet<string> _tasks = new(StringComparer.Ordinal);
    private bool _isStopping;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>False until models are loaded and warm.</summary>
    public bool IsReady => _ready.Task.IsCompleted;

    public Task WhenReadyAsync(CancellationToken cancellationToken) => _ready.Task.WaitAsync(cancellationToken);

    public void Starting()
    {
        health.SetStatus("liveness", ServingStatus.Serving);
        SetServices(ServingStatus.NotServing);
    }

    public void Ready()
    {
        _ready.TrySetResult(); // First: who is told of SERVING may call at once.
        lock (_gate)
        {
            if (!_isStopping)
                SetServices(ServingStatus.Serving);
        }
    }

    /// <summary>Everything becomes NOT_SERVING for good: the first step of a graceful stop.</summary>
    public void Stopping()
    {
        lock (_gate)
        {
            _isStopping = true;
            SetServices(ServingStatus.NotServing);
            foreach (var task in _tasks)
                health.SetStatus(HealthName(task), ServingStatus.NotServing);
        }
    }

    /// <summary>A device is there.</summary>
    public void DeviceFound(string device) => health.SetStatus($"devices/{device}", ServingStatus.Serving);

    /// <summary>A device is gone for good: nothing serves any more, and the process is to be replaced.</summary>
    public void DeviceLost(string device)
    {
        Stopping();
        health.SetStatus($"devices/{device}", ServingStatus.NotServing);
        health.SetStatus("liveness", ServingStatus.NotServing);
    }

    /// <summary>A task serves if one of its aliases does.</summary>
    public void Note(RoutingTable table)
    {
        lock (_gate)
        {
            if (!_isStopping)
                SetTasks(table);
        }
    }

    private void SetTasks(RoutingTable table)
    {
        foreach (var task in table.Tasks.Values)
        {
            _tasks.Add(task.Name);
            var serves = task.Aliases.Aliases.Values.Any(target =>
                task.Versions.TryGetValue(target.Version, out var version)
                && table.FindHost(version)?.Engine.IsLoaded(task.Name, target.Version) == true);
            health.SetStatus(HealthName(task.Name), serves ? ServingStatus.Serving : ServingStatus.NotServing);
        }

        foreach (var gone in _tasks.Where(name => !table.Tasks.ContainsKey(name)).ToList())
        {
            health.ClearStatus(HealthName(gone));
            _tasks.Remove(gone);
        }
    }

    private void SetServices(ServingStatus status)
    {
        foreach (var service in Services)
            health.SetStatus(service, status);
    }

    private static string HealthName(string task) => $"tasks/{task}";
}
