using Serving.Storage;

namespace Serving.Testing.DiskFailures;

/// <summary>What a disk refuses from some moment on.</summary>
public enum Refusal
{
    /// <summary>All that takes room: files, folders and what is written.</summary>
    Room,

    /// <summary>All changes.</summary>
    Access
}

/// <summary>The disk, which refuses changes from one of them on. Half of a write that it refuses is written.</summary>
/// <param name="allowed">How many changes it takes before.</param>
public sealed class FailingFileSystem(Refusal refusal, int allowed) : IFileSystem
{
    private const int NoSpace = 28; // ENOSPC

    private readonly IFileSystem _inner = DiskFileSystem.Instance;
    private int _changes;

    /// <summary>Whether it refused any.</summary>
    public bool HasRefused { get; private set; }

    /// <summary>It takes all changes again.</summary>
    public bool IsMended { get; set; }

    public Stream Create(string path)
    {
        Change(takesRoom: true);
        return new FailingStream(_inner.Create(path), this);
    }

    public Stream Append(string path)
    {
        Change(takesRoom: true);
        return new FailingStream(_inner.Append(path), this);
    }

    public void Flush(Stream file)
    {
        Change(takesRoom: true);
        _inner.Flush(((FailingStream)file).Inner);
    }

    public void Truncate(string path, long length)
    {
        Change(takesRoom: false);
        _inner.Truncate(path, length);
    }

    public void Rename(string from, string to)
    {
        Change(takesRoom: false);
        _inner.Rename(from, to);
    }

    public void CreateFolder(string path)
    {
        Change(takesRoom: true);
        _inner.CreateFolder(path);
    }

    public void Delete(string path)
    {
        Change(takesRoom: false);
        _inner.Delete(path);
    }

    public void FlushFolder(string path) => _inner.FlushFolder(path);

    /// <exception cref="IOException">There is no room.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be.</exception>
    internal void Change(bool takesRoom)
    {
        if (IsMended || _changes++ < allowed || (refusal == Refusal.Room && !takesRoom))
            return;
        HasRefused = true;
        if (refusal == Refusal.Room)
            throw new IOException("No space left on device", NoSpace);
        throw new UnauthorizedAccessException("Permission denied");
    }
}
