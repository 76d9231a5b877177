using System.Collections.Immutable;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Storage;

namespace Serving.Catalog;

/// <summary>Where a request for a task goes.</summary>
/// <param name="Shadow">A version that runs along; null for none.</param>
public sealed record TaskRoute(string Task, StoredVersion Version, EncoderHost Host, TaskRoute? Shadow = null);

/// <summary>What is to be served and what is in memory, as they belong together: replaced as a whole.</summary>
/// <param name="Desired">All tasks, their versions and aliases, as they are stored.</param>
/// <param name="Resident">The models in memory.</param>
/// <param name="Stored">All models on disk, which need not be in memory.</param>
public sealed record RoutingTable(StoredTasks Desired, ResidentModels Resident, ModelStore Stored)
{
    /// <summary>All tasks, by name.</summary>
    public ImmutableSortedDictionary<string, StoredTask> Tasks => Desired.ByName;

    /// <summary>Models in memory, by name.</summary>
    public ImmutableSortedDictionary<string, ModelHost> Models => Resident.ByName;

    /// <summary>The loaded model that a version is for; null if it is not loaded.</summary>
    public EncoderHost? FindHost(StoredVersion version) => Resident.FindFor(version.Manifest);

    /// <exception cref="DomainException">The model that the version is for is not loaded.</exception>
    public EncoderHost Host(string task, StoredVersion version) => FindHost(version)
        ?? throw DomainException.FailedPrecondition(
            $"tasks/{task}",
            $"The task '{task}' is for the backbone {version.Manifest.Backbone}, which is not loaded",
            remedy: WhyNot(version) ?? $"load its model. Loaded are: {Resident}");

    /// <summary>The name of the model that a version is for, whether it is in memory or not.</summary>
    /// <exception cref="DomainException">There is no such model.</exception>
    public string ModelName(string task, StoredVersion version) =>
        FindHost(version)?.Name
        ?? Stored.FindByDigest(version.Manifest.Backbone)
        ?? throw DomainException.FailedPrecondition(
            $"tasks/{task}",
            $"The task '{task}' is for the backbone {version.Manifest.Backbone}, which no model has",
            remedy: WhyNot(version)
                ?? $"put its model among the others. There are: {string.Join(", ", Stored.Names)}");

    /// <summary>Why none of the loaded models serves a version; null if none seems to be meant.</summary>
    private string? WhyNot(StoredVersion version)
    {
        var meant = Resident.FindByWeights(version.Manifest);
        var outdated = meant is null
            ? Models.Values.OfType<EncoderHost>().FirstOrDefault(HasChanged)
            : HasChanged(meant) ? meant : null;
        if (outdated is not null) // Its files may be the version's again, or already.
        {
            return $"the files of the model '{outdated.Name}' have changed since it was loaded. If they are the "
                + "task's, unload it and load it again";
        }

        return meant is null
            ? null
            : $"of the model '{meant.Name}' {Stored.WhyNot(version.Manifest, meant.Backbone)}";

        bool HasChanged(EncoderHost host) => Stored.HasChanged(host.Name, host.Backbone);
    }
}
