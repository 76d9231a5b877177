using Serving.Rpc.Services.Health;
using Serving.Server.Catalog;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Server;

/// <summary>Whether the server takes calls, told through health: "", each service, and "tasks/NAME" for each task.</summary>
internal sealed class Readiness(HealthStatuses health)
{
    private static readonly string[] Services = [HealthStatuses.Server, "serving.v1.Classifier", "serving.v1.Tasks", "serving.v1.Models", "serving.v1.Datasets", "serving.v1.Jobs"];

    private readonly HashSet<string> _tasks = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>False until models are loaded and warm.</summary>
    public bool IsReady => _ready.Task.IsCompleted;

    public Task WhenReadyAsync(CancellationToken cancellationToken) => _ready.Task.WaitAsync(cancellationToken);

    public void Starting()
    {
        foreach (var service in Services)
            health.Set(service, ServingStatus.NotServing);
    }

    public void Ready()
    {
        foreach (var service in Services)
            health.Set(service, ServingStatus.Serving);
        _ready.TrySetResult();
    }

    /// <summary>A task serves if one of its aliases does; changes come one at a time.</summary>
    public void Note(RoutingTable table)
    {
        foreach (var task in table.Tasks.Values)
        {
            _tasks.Add(task.Name);
            var serves = task.Aliases.Aliases.Values.Any(target =>
                task.Versions.TryGetValue(target.Version, out var version)
                && table.FindHost(version)?.Engine.IsLoaded(task.Name, target.Version) == true);
            health.Set($"tasks/{task.Name}", serves ? ServingStatus.Serving : ServingStatus.NotServing);
        }

        foreach (var gone in _tasks.Where(name => !table.Tasks.ContainsKey(name)).ToList())
        {
            health.Set($"tasks/{gone}", ServingStatus.ServiceUnknown);
            _tasks.Remove(gone);
        }
    }
}
