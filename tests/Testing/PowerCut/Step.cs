namespace Serving.Testing.PowerCut;

/// <summary>A change of a file system. Paths are relative to its root, with '/' between names.</summary>
internal abstract record Step
{
    /// <summary>A new, empty file.</summary>
    public sealed record CreateFile(string Path) : Step;

    public sealed record CreateFolder(string Path) : Step;

    /// <param name="Path">Where the file was when it was opened: its stream goes with it.</param>
    /// <param name="File">The stream's number.</param>
    public sealed record Open(string Path, int File) : Step;

    public sealed record Write(int File, long Offset, byte[] Bytes) : Step;

    public sealed record Flush(int File) : Step;

    public sealed record Truncate(string Path, long Length) : Step;

    public sealed record Rename(string From, string To) : Step;

    /// <summary>Of a file or an empty folder.</summary>
    public sealed record Delete(string Path) : Step;

    public sealed record FlushFolder(string Path) : Step;
}
