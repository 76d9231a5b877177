using System.Collections.Immutable;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>
/// All tasks, their versions and aliases: what shall be served, whether its model is in memory or not.
/// </summary>
/// <param name="ByName">Immutable, replaced as a whole.</param>
public sealed record StoredTasks(ImmutableSortedDictionary<string, StoredTask> ByName)
{
    public static StoredTasks None { get; } =
        new(ImmutableSortedDictionary.Create<string, StoredTask>(StringComparer.Ordinal));

    /// <exception cref="DomainException">It is not there.</exception>
    public StoredTask Task(string name) =>
        ByName.GetValueOrDefault(name) ?? throw DomainException.NotFound("task", name, ByName.Keys);

    /// <exception cref="DomainException">It is not there.</exception>
    public StoredVersion Version(string task, string version)
    {
        var stored = Task(task);
        return stored.Versions.GetValueOrDefault(version)
            ?? throw DomainException.NotFound(
                "version", version, stored.Versions.Keys, owner: $"task '{task}'");
    }

    /// <exception cref="DomainException">It is not there.</exception>
    public AliasTarget Alias(string task, string alias)
    {
        var stored = Task(task);
        return stored.Aliases.Aliases.GetValueOrDefault(alias)
            ?? throw DomainException.NotFound(
                "alias", alias, stored.Aliases.Aliases.Keys,
                $"Point it at a version: serving tasks promote {task} VERSION --alias {alias} (Tasks.SetAlias)",
                $"task '{task}'");
    }

    /// <summary>The version that a selector means.</summary>
    /// <param name="field">Where it stands in the request.</param>
    /// <exception cref="DomainException">It is not there, or a name is none.</exception>
    public StoredVersion Find(VersionSelector selector, string field)
    {
        var task = ResourceName.Require($"{field}.task", selector.Task);
        return selector.Version is { } version
            ? Version(task, ResourceName.RequireVersion($"{field}.version", version))
            : Version(task, Alias(task, AliasOf(selector, field)).Version);
    }

    /// <summary>The alias of a selector that names no version.</summary>
    /// <exception cref="DomainException">It is no name.</exception>
    public static string AliasOf(VersionSelector selector, string field) => selector.Alias is { } alias
        ? ResourceName.Require($"{field}.alias", alias)
        : TaskAliases.DefaultAlias;
}

/// <summary>Which version of a task is meant.</summary>
/// <param name="Alias">An alias; null for the default one.</param>
/// <param name="Version">A version instead of an alias; null for none.</param>
public readonly record struct VersionSelector(string Task, string? Alias, string? Version);
