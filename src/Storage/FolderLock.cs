namespace Serving.Storage;

/// <summary>A folder that one server at a time changes: it holds a file there open.</summary>
/// <remarks>
/// Servers that may not write there share the folder, unless one that may holds it: they read what is there.
/// </remarks>
public sealed class FolderLock : IDisposable
{
    private const string LockFile = ".lock";

    private readonly string _folder;
    private readonly FileStream? _file;

    private FolderLock(string folder, FileStream? file, bool isReadOnly)
    {
        _folder = folder;
        _file = file;
        IsReadOnly = isReadOnly;
    }

    /// <summary>Whether this server may not write there.</summary>
    public bool IsReadOnly { get; }

    /// <exception cref="DomainException">Another server holds it.</exception>
    public static FolderLock Take(string folder)
    {
        var path = Path.Combine(folder, LockFile);
        try
        {
            try
            {
                return new(folder, Open(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None), false);
            }
            catch (Exception exception) when (DiskFailure.IsDenied(exception))
            {
                // Where there is none and none can be made, nobody of this server's rights writes.
                return new(
                    folder,
                    File.Exists(path) ? Open(FileMode.Open, FileAccess.Read, FileShare.Read) : null,
                    isReadOnly: true);
            }
        }
        catch (IOException exception) when (DiskFailure.IsInUse(exception))
        {
            throw DomainException.FailedPrecondition(
                folder,
                $"{folder} is used by another server",
                remedy: "give each server a data root of its own",
                innerException: exception);
        }

        FileStream Open(FileMode mode, FileAccess access, FileShare share) => new(path, mode, access, share);
    }

    /// <exception cref="UnauthorizedAccessException">This server may not write there.</exception>
    public void ThrowIfReadOnly()
    {
        if (IsReadOnly)
            throw new UnauthorizedAccessException($"{_folder} could not be written when this server started.");
    }

    public void Dispose() => _file?.Dispose();
}
