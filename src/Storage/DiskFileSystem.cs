using System.Runtime.InteropServices;

namespace Serving.Storage;

/// <summary>The disk.</summary>
public sealed partial class DiskFileSystem : IFileSystem
{
    private const int ReadOnlyDirectory = 0x10000;

    private DiskFileSystem()
    {
    }

    public static DiskFileSystem Instance { get; } = new();

    public Stream Create(string path) => new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite);

    public Stream Append(string path) =>
        new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read | FileShare.Delete);

    public void Flush(Stream file) => ((FileStream)file).Flush(flushToDisk: true);

    public void Truncate(string path, long length)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
        file.SetLength(length);
        Flush(file);
    }

    public void Rename(string from, string to)
    {
        if (Directory.Exists(from))
            Directory.Move(from, to);
        else
            File.Move(from, to, overwrite: true);
    }

    public void CreateFolder(string path) => Directory.CreateDirectory(path);

    public void Delete(string path)
    {
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        else if (File.Exists(path))
            File.Delete(path);
    }

    /// <remarks>Where that can't be asked for, the operating system decides when it happens.</remarks>
    public void FlushFolder(string path)
    {
        if (!OperatingSystem.IsLinux())
            return;
        var descriptor = Open(path, ReadOnlyDirectory);
        if (descriptor < 0)
            return;
        _ = Synchronize(descriptor);
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Synchronize(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
