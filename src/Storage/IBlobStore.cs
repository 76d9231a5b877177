namespace Serving.Storage;

/// <summary>Folders of files, by key. A blob is there as a whole or not at all, and never changes.</summary>
/// <remarks>
/// A key says what is in it, as the digest of a task version does, so that two blobs of one key are the same. It is one
/// or more names with '/' between them.
/// </remarks>
public interface IBlobStore
{
    /// <summary>A new folder on this machine, to be filled and committed.</summary>
    BlobDraft Begin();

    /// <summary>Makes a draft the blob of a key, durably; where there is one already, that one stays.</summary>
    /// <returns>Whether it is new.</returns>
    Task<bool> CommitAsync(BlobDraft draft, string key);

    /// <summary>The folder of a blob on this machine, which is fetched first if it lies elsewhere.</summary>
    /// <exception cref="DomainException">It is not there.</exception>
    Task<string> FetchAsync(string key);

    /// <summary>Deletes a blob, if there is one. Files of it that are open can still be read.</summary>
    Task DeleteAsync(string key);

    /// <summary>Removes drafts and deletions of processes that stopped; only before anything is begun.</summary>
    void CleanUp();
}

/// <summary>A blob as it is made: flush each file in it. It goes with its owner, unless it was committed.</summary>
public sealed class BlobDraft(string folder, IFileSystem files) : IDisposable
{
    public string Folder => folder;

    public IFileSystem Files => files;

    public void Dispose() => files.TryDelete(folder);
}
