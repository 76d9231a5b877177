using NuGet.Configuration;
using Serving.Hub.Sources;
using Serving.Storage;

namespace Serving.Hub.Packages;

/// <summary>Models in NuGet packages, as "nuget:minilm": from the sources that NuGet is configured with.</summary>
public sealed class PackageSource : IModelSource
{
    private const string Prefix = "nuget:";

    private readonly IReadOnlyList<PackagedModel> _known;
    private readonly Func<ISettings> _settings;
    private readonly TimeProvider _time;

    /// <summary>With the NuGet.config of the user, of the machine and of the folder that the server runs in.</summary>
    public PackageSource(TimeProvider time)
        : this(PackagedModel.All, static () => Settings.LoadDefaultSettings(Directory.GetCurrentDirectory()), time)
    {
    }

    /// <param name="settings">Read at each pull.</param>
    internal PackageSource(IReadOnlyList<PackagedModel> known, Func<ISettings> settings, TimeProvider time) =>
        (_known, _settings, _time) = (known, settings, time);

    public bool Has(string source) => source.StartsWith(Prefix, StringComparison.Ordinal);

    public string DefaultName(string source) => source[Prefix.Length..];

    /// <remarks>A package's version never changes.</remarks>
    public bool IsLatest(ModelOrigin present, string source, string revision) =>
        present.Source == source && Find(source) is { } model && present.Revision == model.Version
        && (revision.Length == 0 || revision == present.Revision);

    public Task<PinnedModel> PinAsync(
        string source, string revision, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        var model = Find(source)
            ?? throw DomainException.NotFound("model", source, _known.Select(known => Prefix + known.Name));
        if (revision.Length > 0 && revision != model.Version)
        {
            throw DomainException.Invalid(
                "revision", $"'{source}' is of the version {model.Version} of {model.Package}, no other is known",
                remedy: "leave the revision out");
        }

        var origin = new ModelOrigin(
            source, model.Version, model.Version, model.License,
            $"{model.Page}, as the NuGet package {model.Package} has it");
        return Task.FromResult<PinnedModel>(new PackageRevision(origin, model, _settings, _time));
    }

    private PackagedModel? Find(string source) =>
        _known.FirstOrDefault(known => Prefix + known.Name == source);
}
