namespace Serving.Storage;

/// <summary>
/// What changes files, step by step: only what was flushed survives a loss of power. Reading needs no such seam.
/// </summary>
/// <remarks>Errors are <see cref="IOException"/> and <see cref="UnauthorizedAccessException"/>.</remarks>
public interface IFileSystem
{
    /// <summary>A new file, to be written; it may be read and sought in.</summary>
    /// <exception cref="IOException">There is one already.</exception>
    Stream Create(string path);

    /// <summary>A file to be written at its end; made if it is missing.</summary>
    Stream Append(string path);

    /// <summary>Makes what was written to a stream of this file system durable; not the file's name.</summary>
    void Flush(Stream file);

    /// <summary>Cuts a file off.</summary>
    /// <param name="length">In bytes.</param>
    void Truncate(string path, long length);

    /// <summary>Renames a file or a folder. A file takes the place of another, a folder does not.</summary>
    void Rename(string from, string to);

    /// <summary>Makes a folder, with those above it.</summary>
    void CreateFolder(string path);

    /// <summary>Deletes a file, or a folder with all that is in it; nothing, if there is none.</summary>
    void Delete(string path);

    /// <summary>Makes the names in a folder durable: what was made in it, renamed and deleted.</summary>
    void FlushFolder(string path);
}
