using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Storage;
using Serving.Tensors;

namespace Serving.Catalog;

/// <summary>Brings versions from the blob store into the memory of their models.</summary>
internal sealed class VersionLoader(IBlobStore blobs)
{
    /// <summary>The folder of a version's files on this machine.</summary>
    /// <exception cref="DomainException">It is not there.</exception>
    public Task<string> FolderAsync(string task, string version) =>
        blobs.FetchAsync(ITaskRepository.Key(task, version));

    /// <summary>Loads the versions that a task's aliases use, as far as their models are loaded.</summary>
    /// <param name="only">Only versions for this model; null for all.</param>
    /// <returns>What is wrong; null if nothing is.</returns>
    public async Task<string?> TryLoadAliasedAsync(ResidentModels models, StoredTask task, EncoderHost? only = null)
    {
        foreach (var version in task.UsedVersions)
        {
            if (!task.Versions.TryGetValue(version, out var stored))
            {
                if (only is null)
                    return $"its version {version} is missing.";
                continue;
            }

            if (models.FindFor(stored.Manifest) is not { } host || (only is not null && host != only))
                continue;
            try
            {
                await host.Engine.LoadTaskAsync(task.Name, await FolderAsync(task.Name, version), version);
            }
            catch (Exception exception)
                when (exception is ModelFileException or DomainException or DeviceMemoryException)
            {
                return exception.Message;
            }
        }

        return null;
    }

    /// <param name="digests">Of the version that was just written; of others nothing is known.</param>
    /// <exception cref="DomainException">Its files can't be used.</exception>
    public async Task LoadAsync(
        EncoderHost host, string task, StoredVersion version, IReadOnlyDictionary<string, string>? digests = null)
    {
        // A file's digest in the manifest is right for no other version's file.
        var isKnown = digests?.GetValueOrDefault(VersionFiles.ManifestFile) == version.Version;
        var folder = await FolderAsync(task, version.Version);
        try
        {
            await host.Engine.LoadTaskAsync(
                task, () => VersionFiles.Open(folder, version.Version, isKnown ? digests : null));
        }
        catch (ModelFileException exception)
        {
            throw DomainException.FailedPrecondition($"tasks/{task}", exception.Message);
        }
    }
}
