using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Serving.Catalog.Stored;

/// <summary>A second version that gets a part of an alias's requests.</summary>
/// <param name="Share">0 to 1.</param>
public sealed record CanaryTarget(string Version, double Share);

/// <summary>What an alias points at.</summary>
/// <param name="Shadow">A version that runs along without being answered from.</param>
/// <param name="Previous">What it pointed at before, the latest first.</param>
public sealed record AliasTarget(
    string Version, CanaryTarget? Canary, string? Shadow, ImmutableArray<string> Previous)
{
    private const int MostPrevious = 10;

    public static AliasTarget To(string version) => new(version, Canary: null, Shadow: null, Previous: []);

    /// <summary>Every version that requests may run on.</summary>
    [JsonIgnore]
    public IEnumerable<string> Versions => new[] { Version, Canary?.Version, Shadow }.OfType<string>().Distinct(
        StringComparer.Ordinal);

    /// <summary>Points it at another version; a canary ends, for it was chosen beside the old one.</summary>
    public AliasTarget Promote(string version) => version == Version
        ? this with { Canary = null }
        : this with
        {
            Version = version,
            Canary = null,
            Previous = [.. Previous.Insert(0, Version).Take(MostPrevious)]
        };

    /// <summary>Points it at the version before.</summary>
    public AliasTarget RollBack() =>
        this with { Version = Previous[0], Canary = null, Previous = Previous.RemoveAt(0) };
}
