using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Serving.Catalog.Resident;

/// <summary>The models in memory: immutable, replaced as a whole.</summary>
public sealed class ResidentModels
{
    private readonly FrozenDictionary<string, ModelHost> _byDigest;

    private ResidentModels(ImmutableSortedDictionary<string, ModelHost> byName)
    {
        ByName = byName;
        _byDigest = byName.Values.ToFrozenDictionary(host => host.Digest, StringComparer.OrdinalIgnoreCase);
    }

    public static ResidentModels None { get; } =
        new(ImmutableSortedDictionary.Create<string, ModelHost>(StringComparer.Ordinal));

    public ImmutableSortedDictionary<string, ModelHost> ByName { get; }

    /// <summary>The model with a digest; null if it is not in memory.</summary>
    public ModelHost? FindByDigest(string digest) => _byDigest.GetValueOrDefault(digest);

    public ResidentModels Add(ModelHost host) => new(ByName.Add(host.Name, host));

    public ResidentModels Remove(string name) => new(ByName.Remove(name));

    public override string ToString() => ByName.IsEmpty
        ? "none"
        : string.Join(", ", ByName.Values.Select(host => $"{host.Name} ({host.Digest})"));
}
