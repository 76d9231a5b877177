using Serving.Hub.Sources;
using Serving.Models;
using Serving.Models.Kinds;
using Serving.Models.Safetensors;
using Serving.Storage;

namespace Serving.Hub.HuggingFace;

/// <summary>A repository at a commit, of which the files are fetched that a model needs.</summary>
internal sealed class HubModel(ModelOrigin origin, HubRepository repository, HubClient client, TimeProvider time)
    : PinnedModel(origin)
{
    public override async Task FetchAsync(
        ModelDraft draft, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        try
        {
            await FetchFilesAsync(draft, progress, cancellationToken);
        }
        catch (HubStatusException exception)
        {
            throw HubRefusals.Of(exception, client, Origin.Source, Origin.Revision);
        }
    }

    private async Task FetchFilesAsync(
        ModelDraft draft, IProgress<PullProgress> progress, CancellationToken cancellationToken)
    {
        var weights = File(NeededFiles.Weights(repository));
        List<HubFile> small = [.. NeededFiles.Without(repository).Select(File)];
        var meter = new DownloadMeter(progress, time) { TotalBytes = weights.Bytes + small.Sum(file => file.Bytes) };
        foreach (var file in small)
        {
            await DownloadAsync(file);
            if (file.Name == ModelFiles.Config)
                _ = ModelKinds.Open(draft.Folder).ReadShape(); // What can't run here is not downloaded.
        }

        await DownloadAsync(weights);
        if (weights.Name != ModelFiles.WeightIndex)
            return;
        List<HubFile> shards = [.. WeightFiles.ReadShardNames(draft.PathOf(weights.Name)).Select(Shard)];
        meter.TotalBytes += shards.Sum(shard => shard.Bytes);
        foreach (var shard in shards)
            await DownloadAsync(shard);

        Task DownloadAsync(HubFile file) => new HubDownload(
            client, client.At($"/{repository.Id}/resolve/{repository.Commit}/{Uri.EscapeDataString(file.Name)}"),
            file, draft, meter).RunAsync(client.Retries, cancellationToken);
    }

    private HubFile Shard(string name) => repository.Has(name)
        ? File(name)
        : throw new ModelFileException(
            $"{ModelFiles.WeightIndex} names {name}, which the repository does not have; its owner must add it.");

    private HubFile File(string name)
    {
        try
        {
            return repository.File(name);
        }
        catch (InvalidDataException exception)
        {
            throw DomainException.Corrupted(
                name, $"What {client.Host} says of '{repository.Id}' can't be used: {exception.Message}",
                remedy: "see that HF_ENDPOINT is a hub", innerException: exception);
        }
    }
}
