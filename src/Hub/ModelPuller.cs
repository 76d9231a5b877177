using System.Collections.Concurrent;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Hub.Sources;
using Serving.Models;
using Serving.Models.Kinds;
using Serving.Storage;

namespace Serving.Hub;

/// <summary>Brings models from elsewhere into the data root, as a whole or not at all.</summary>
/// <remarks>
/// Files are gathered in a hidden folder beside the models, which a pull that was interrupted goes on with. The model
/// gets its name once it has been read as it would be to run it.
/// </remarks>
public sealed class ModelPuller(
    IEnumerable<IModelSource> sources, ModelStore models, TaskCatalog catalog, ShippedTasks shipped, IFileSystem files)
{
    private readonly ConcurrentDictionary<string, bool> _running = new(StringComparer.Ordinal);

    /// <exception cref="DomainException">It can't be had, or is none that can run here.</exception>
    /// <exception cref="IOException">The disk refuses.</exception>
    public async Task<PullResult> PullAsync(
        PullRequest request, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        var source = sources.FirstOrDefault(source => source.Has(request.Source))
            ?? throw DomainException.Invalid(
                "source", $"'{request.Source}' is of no source that is known",
                "a repository such as bert-base-uncased, or a package such as nuget:minilm, is needed");
        var name = request.Name.Length > 0
            ? ResourceName.Require("model", request.Name)
            : ResourceName.Require("source", source.DefaultName(request.Source));
        if (!_running.TryAdd(name, value: true))
        {
            throw DomainException.Conflict(
                $"models/{name}", $"The model '{name}' is being pulled by another call", "one at a time can do that",
                "pull it again when that one is over");
        }

        try
        {
            var result = await PullAsync(source, name, request, progress, cancellationToken);
            if (!request.Load)
                return result;
            progress.Report(new(PullPhase.Loading));
            var host = await TryLoadAsync(name);
            return host is null
                ? result
                : result with { Tasks = await shipped.TakeUpAsync(host, cancellationToken) };
        }
        finally
        {
            _running.TryRemove(name, out _);
        }
    }

    /// <summary>
    /// A model that is here is not lost because it can't be loaded; what keeps it from that is noted.
    /// </summary>
    private async Task<ModelHost?> TryLoadAsync(string name)
    {
        try
        {
            return await catalog.LoadModelAsync(name);
        }
        catch (DomainException)
        {
            return null; // The store knows its problem.
        }
    }

    private async Task<PullResult> PullAsync(
        IModelSource source, string name, PullRequest request, IProgress<PullProgress> progress,
        CancellationToken cancellationToken)
    {
        var present = Present(name);
        if (present is not null && source.IsLatest(present, request.Source, request.Revision))
            return new(name, present, IsNew: false);
        progress.Report(new(PullPhase.Resolving));
        var pinned = await source.PinAsync(request.Source, request.Revision, progress, cancellationToken);
        if (pinned.Origin.IsSame(present))
            return new(name, present!, IsNew: false);
        if (models.Has(name))
            ThrowUnlessReplaceable(name, present, request, pinned.Origin);
        await GatherAsync(name, request.Replace, pinned, progress, cancellationToken);
        return new(name, pinned.Origin, IsNew: true);
    }

    private async Task GatherAsync(
        string name, bool replace, PinnedModel pinned, IProgress<PullProgress> progress,
        CancellationToken cancellationToken)
    {
        var folder = models.DraftFolder(name);
        try
        {
            var draft = ModelDraft.Open(folder, pinned.Origin, files);
            await pinned.FetchAsync(draft, progress, cancellationToken);
            progress.Report(new(PullPhase.Checking));
            _ = ModelKinds.Open(draft.Folder).ReadDigest();
            draft.Tidy();
            pinned.Origin.WriteWhole(draft.Folder, files);
            cancellationToken.ThrowIfCancellationRequested();
            await catalog.ChangeFolderAsync(name, () => models.Place(name, draft.Folder, replace));
        }
        catch (ModelFileException exception)
        {
            files.TryDelete(folder);
            throw DomainException.FailedPrecondition(
                pinned.Origin.Source,
                $"'{pinned.Origin.Source}' can't be used: "
                + exception.Message.Replace(folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal),
                innerException: exception);
        }
        catch (Exception exception) when (DiskFailure.IsFull(exception))
        {
            files.TryDelete(folder); // Others need the room.
            throw;
        }
    }

    /// <returns>Where the model of a name comes from; null if it is not whole, or was not pulled.</returns>
    private ModelOrigin? Present(string name) =>
        models.Has(name) && ModelOrigin.Read(models.Folder(name)) is { } origin && origin.IsWhole(models.Folder(name))
            ? origin
            : null;

    private void ThrowUnlessReplaceable(string name, ModelOrigin? present, PullRequest request, ModelOrigin pinned)
    {
        if (!request.Replace)
        {
            throw DomainException.AlreadyExists(
                "model", name,
                present is null
                    ? $"There is a model '{name}' already, which was not pulled from '{pinned.Source}'"
                    : $"There is a model '{name}' already: {present.Source} at {present.Revision}, not {pinned.Source} "
                        + $"at {pinned.Revision}",
                "give it another name (--name), or let it take that one's place (--replace)");
        }

        catalog.Table.ThrowIfLoaded(name, "replaced");
    }
}
