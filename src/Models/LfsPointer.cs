namespace Serving.Models;

/// <summary>What lies in a folder in place of a large file that Git LFS has not fetched.</summary>
/// <remarks>https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: text that begins with its version.</remarks>
internal static class LfsPointer
{
    /// <summary>The most bytes of a pointer.</summary>
    public const int MaxBytes = 1024;

    private static ReadOnlySpan<byte> Beginning => "version https://git-lfs.github.com/spec/"u8;

    /// <exception cref="ModelFileException">A file's first bytes are those of a pointer.</exception>
    public static void ThrowIf(string path, ReadOnlySpan<byte> beginning)
    {
        if (!beginning.StartsWith(Beginning))
            return;
        throw new ModelFileException(
            $"{path} is a pointer of Git LFS, not the file itself: the repository was cloned without its large files. "
            + "Run 'git lfs install' and 'git lfs pull' in the repository, or download the file, and copy it here.");
    }
}
