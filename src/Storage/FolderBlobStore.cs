namespace Serving.Storage;

/// <summary>Blobs as folders below a root: KEY/. Names that begin with a dot are drafts and deletions.</summary>
/// <remarks>Each change is one rename, so that whoever reads sees the state before it or after it.</remarks>
public sealed class FolderBlobStore : IBlobStore
{
    private readonly string _root;
    private readonly IFileSystem _files;

    /// <param name="root">Made if it is missing.</param>
    public FolderBlobStore(string root, IFileSystem files)
    {
        _root = Path.GetFullPath(root);
        _files = files;
        files.EnsureFolder(_root);
    }

    public void CleanUp()
    {
        foreach (var folder in Directory.EnumerateDirectories(_root, ".*").ToList())
            _files.TryDelete(folder);
    }

    public BlobDraft Begin()
    {
        var folder = Path.Combine(_root, $".draft-{Guid.NewGuid():N}");
        _files.CreateFolder(folder);
        return new(folder, _files);
    }

    public Task<bool> CommitAsync(BlobDraft draft, string key)
    {
        var folder = PathOf(key);
        var isNew = !Directory.Exists(folder);
        if (isNew)
            _files.MoveFolder(draft.Folder, folder);
        return Task.FromResult(isNew);
    }

    public Task<string> FetchAsync(string key) => Directory.Exists(PathOf(key))
        ? Task.FromResult(PathOf(key))
        : Task.FromException<string>(DomainException.NotFound("blob", key, []));

    public Task DeleteAsync(string key)
    {
        _files.DeleteFolder(PathOf(key), Path.Combine(_root, $".deleted-{Guid.NewGuid():N}"));
        return Task.CompletedTask;
    }

    private string PathOf(string key) => Path.Combine([_root, .. key.Split('/')]);
}
