using System.Collections.Immutable;
using Grpc.Core;
using Serving.Server.Storage;

namespace Serving.Server.Catalog;

/// <summary>Where a request for a task goes.</summary>
/// <param name="Shadow">A version that runs along; null for none.</param>
internal sealed record TaskRoute(string Task, StoredVersion Version, ModelHost Host, TaskRoute? Shadow = null);

/// <summary>All tasks, their versions and aliases, and the models in memory: immutable, replaced as a whole.</summary>
/// <param name="Tasks">By name.</param>
/// <param name="Models">Those in memory, by name.</param>
internal sealed record RoutingTable(
    ImmutableSortedDictionary<string, StoredTask> Tasks, ImmutableSortedDictionary<string, ModelHost> Models)
{
    public static RoutingTable Empty { get; } = new(
        ImmutableSortedDictionary.Create<string, StoredTask>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, ModelHost>(StringComparer.Ordinal));

    /// <exception cref="RpcException">NOT_FOUND</exception>
    public StoredTask Task(string name) =>
        Tasks.GetValueOrDefault(name) ?? throw Errors.NotFound("task", name, Tasks.Keys);

    /// <exception cref="RpcException">NOT_FOUND</exception>
    public StoredVersion Version(string task, string version)
    {
        var stored = Task(task);
        return stored.Versions.GetValueOrDefault(version)
            ?? throw Errors.NotFound($"version of the task '{task}'", version, stored.Versions.Keys);
    }

    /// <exception cref="RpcException">NOT_FOUND</exception>
    public AliasTarget Alias(string task, string alias)
    {
        var stored = Task(task);
        return stored.Aliases.Aliases.GetValueOrDefault(alias)
            ?? throw Errors.NotFound(
                $"alias of the task '{task}'", alias, stored.Aliases.Aliases.Keys,
                $"Point it at a version: serving tasks promote {task} VERSION --alias {alias} (Tasks.SetAlias).");
    }

    /// <summary>The loaded model that a version is for; null if it is not loaded.</summary>
    public ModelHost? FindHost(StoredVersion version) =>
        Models.Values.FirstOrDefault(
            host => string.Equals(host.Digest, version.Manifest.Backbone, StringComparison.OrdinalIgnoreCase));

    /// <exception cref="RpcException">FAILED_PRECONDITION: the model that the version is for is not loaded.</exception>
    public ModelHost Host(string task, StoredVersion version) => FindHost(version)
        ?? throw Errors.FailedPrecondition(
            $"tasks/{task}",
            $"The task '{task}' is for the backbone {version.Manifest.Backbone}, which is not loaded; load its model. "
            + $"Loaded are: {Loaded()}.");

    /// <summary>Every version of a task that an alias uses.</summary>
    public static IEnumerable<string> UsedVersions(StoredTask task) =>
        task.Aliases.Aliases.Values.SelectMany(target => target.Versions).Distinct(StringComparer.Ordinal);

    private string Loaded() => Models.Count == 0
        ? "none"
        : string.Join(", ", Models.Values.Select(host => $"{host.Name} ({host.Digest})"));
}
