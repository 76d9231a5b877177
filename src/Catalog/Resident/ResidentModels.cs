using System.Collections.Immutable;
using Serving.Models.Versions;

namespace Serving.Catalog.Resident;

/// <summary>The models in memory: immutable, replaced as a whole.</summary>
public sealed class ResidentModels
{
    private readonly ImmutableDictionary<string, ModelHost> _byDigest;

    private ResidentModels(
        ImmutableSortedDictionary<string, ModelHost> byName, ImmutableDictionary<string, ModelHost> byDigest)
    {
        ByName = byName;
        _byDigest = byDigest;
    }

    public static ResidentModels None { get; } = new(
        ImmutableSortedDictionary.Create<string, ModelHost>(StringComparer.Ordinal),
        ImmutableDictionary.Create<string, ModelHost>(StringComparer.OrdinalIgnoreCase));

    public ImmutableSortedDictionary<string, ModelHost> ByName { get; }

    /// <summary>The model with a digest; null if it is not in memory.</summary>
    /// <param name="digest">Of a backbone, or of its weights alone.</param>
    public ModelHost? FindByDigest(string digest) => _byDigest.GetValueOrDefault(digest);

    /// <summary>The model that a version is for; null if it is not in memory.</summary>
    public EncoderHost? FindFor(VersionManifest manifest) => FindByDigest(manifest.Backbone) as EncoderHost;

    /// <summary>A model that has a version's weights, whatever its tokenizer; null if none is in memory.</summary>
    public EncoderHost? FindByWeights(VersionManifest manifest) => ByName.Values.OfType<EncoderHost>()
        .FirstOrDefault(host => manifest.HasWeights(host.Backbone.Weights));

    /// <param name="isMeantByWeights">Whether versions that know their backbone by its weights mean this one.</param>
    public ResidentModels Add(ModelHost host, bool isMeantByWeights)
    {
        var byDigest = _byDigest.Add(host.Digest, host);
        return new(
            ByName.Add(host.Name, host),
            isMeantByWeights ? byDigest.SetItem(host.Backbone.Weights, host) : byDigest);
    }

    public ResidentModels Remove(string name)
    {
        var host = ByName[name];
        return new(
            ByName.Remove(name),
            _byDigest.RemoveRange(_byDigest.Where(pair => pair.Value == host).Select(pair => pair.Key)));
    }

    public override string ToString() => ByName.IsEmpty
        ? "none"
        : string.Join(", ", ByName.Values.Select(host => $"{host.Name} ({host.Digest})"));
}
