using System.Collections.Immutable;
using Serving.Models.Versions;

namespace Serving.Catalog.Stored;

/// <summary>A version that is stored.</summary>
/// <param name="FileBytes">What its files take.</param>
public sealed record StoredVersion(string Version, VersionManifest Manifest, long FileBytes);

/// <summary>A task that is stored.</summary>
/// <param name="Problem">Why its aliases can't be used; null if they can.</param>
public sealed record StoredTask(
    string Name,
    ImmutableSortedDictionary<string, StoredVersion> Versions,
    TaskAliases Aliases,
    string? Problem = null)
{
    public static StoredTask Empty(string name) =>
        new(name, ImmutableSortedDictionary.Create<string, StoredVersion>(StringComparer.Ordinal), TaskAliases.None);

    /// <summary>Every version that an alias uses.</summary>
    public IEnumerable<string> UsedVersions =>
        Aliases.Aliases.Values.SelectMany(target => target.Versions).Distinct(StringComparer.Ordinal);
}
