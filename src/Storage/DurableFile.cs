namespace Serving.Storage;

/// <summary>Changes that are whole or not there, whenever the process or the machine stops.</summary>
public static class DurableFile
{
    /// <summary>How the names of temporary files begin; whoever owns a folder may delete those it finds.</summary>
    public const string Unfinished = ".writing-";

    /// <summary>Replaces a file: temporary file, flush to disk, rename, flush of the folder.</summary>
    public static void Replace(this IFileSystem files, string path, ReadOnlySpan<byte> contents)
    {
        var bytes = contents.ToArray();
        files.Replace(path, file => file.Write(bytes));
    }

    /// <summary>Replaces a file: temporary file, flush to disk, rename, flush of the folder.</summary>
    /// <param name="write">Writes the contents.</param>
    public static void Replace(this IFileSystem files, string path, Action<Stream> write)
    {
        var folder = Path.GetDirectoryName(path)!;
        files.EnsureFolder(folder);
        var temporary = Path.Combine(folder, $"{Unfinished}{Guid.NewGuid():N}");
        try
        {
            files.WriteNew(temporary, write);
            files.Rename(temporary, path);
        }
        catch
        {
            files.TryDelete(temporary);
            throw;
        }

        files.FlushFolder(folder);
    }

    /// <summary>
    /// Writes a file into a folder that nobody looks into yet, and flushes its contents; its name becomes durable when
    /// the folder is moved to its place.
    /// </summary>
    public static void WriteNew(this IFileSystem files, string path, Action<Stream> write)
    {
        using var file = files.Create(path);
        write(file);
        files.Flush(file);
    }

    /// <summary>Copies a file into a folder that nobody looks into yet, see <see cref="WriteNew"/>.</summary>
    public static void Copy(this IFileSystem files, string from, string to)
    {
        using var source = File.OpenRead(from);
        files.WriteNew(to, source.CopyTo);
    }

    /// <summary>Gives a folder whose files are on disk its place: it is there as a whole, or not at all.</summary>
    /// <exception cref="IOException">There is one at that place.</exception>
    public static void MoveFolder(this IFileSystem files, string from, string to)
    {
        foreach (var below in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories).ToList())
            files.FlushFolder(below);
        files.FlushFolder(from);
        var (source, target) = (Path.GetDirectoryName(from)!, Path.GetDirectoryName(to)!);
        files.EnsureFolder(target);
        files.Rename(from, to);
        files.FlushFolder(target);
        if (source != target)
            files.FlushFolder(source);
    }

    /// <summary>
    /// Takes a folder away, if there is one: it is gone as a whole, or not at all; then its files are deleted.
    /// </summary>
    /// <param name="doomed">A name that its owner deletes at the next start, if the deletion does not come to its end.
    /// </param>
    public static void DeleteFolder(this IFileSystem files, string path, string doomed)
    {
        if (!Directory.Exists(path))
            return;
        files.MoveFolder(path, doomed);
        files.TryDelete(doomed);
    }

    /// <summary>Deletes a file or a folder, if the disk lets it.</summary>
    /// <returns>Whether it is gone. Of a folder some files may be, also if it is not.</returns>
    public static bool TryDelete(this IFileSystem files, string path)
    {
        try
        {
            files.Delete(path);
            return true;
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            return false;
        }
    }

    /// <summary>Makes a folder and those above it that are missing, durably.</summary>
    public static void EnsureFolder(this IFileSystem files, string path)
    {
        if (Directory.Exists(path))
            return;
        var parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(path));
        if (parent is { Length: > 0 })
            files.EnsureFolder(parent);
        files.CreateFolder(path);
        if (parent is { Length: > 0 })
            files.FlushFolder(parent);
    }
}
