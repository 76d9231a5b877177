using Serving.Models;
using Serving.Models.Tasks;

namespace Serving.Server.Storage;

/// <summary>The files of a version as they come in, in a folder of their own until they are checked.</summary>
internal sealed class TaskUpload(string folder, string task, string? expectedVersion, long maxFileBytes) : IDisposable
{
    private static readonly string[] Files = [TaskPack.ManifestFile, TaskPack.MaskFile, TaskPack.HeadFile];

    private FileStream? _file;
    private string? _name;

    public string Folder { get; } = folder;

    public string Task { get; } = task;

    /// <summary>Adds bytes to a file; another name than the last begins the next file.</summary>
    /// <exception cref="Grpc.Core.RpcException">
    /// INVALID_ARGUMENT: no file of a version, one that was ended, or one too large.
    /// </exception>
    public async Task AppendAsync(string name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (name != _name)
            Begin(name);
        if (_file!.Length + data.Length > maxFileBytes)
        {
            throw Errors.InvalidArgument(
                "chunk.data",
                $"{name} has more than {maxFileBytes} bytes, the most that this server takes for a file of a version.");
        }

        await _file.WriteAsync(data, cancellationToken);
    }

    /// <summary>Flushes the files to disk and checks them as a whole.</summary>
    /// <returns>The version.</returns>
    /// <exception cref="ModelFileException">They are no sound version, or another than was announced.</exception>
    public string Finish()
    {
        EndFile();
        using var pack = TaskPack.Open(Folder, expectedVersion);
        return pack.Version;
    }

    public void Dispose()
    {
        _file?.Dispose();
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    private void Begin(string name)
    {
        if (!Files.Contains(name, StringComparer.Ordinal))
        {
            throw Errors.InvalidArgument(
                "chunk.file",
                $"'{(name.Length > 40 ? name[..40] : name)}' is no file of a version; those are "
                + $"{string.Join(", ", Files)}.");
        }

        EndFile();
        Directory.CreateDirectory(Folder);
        var path = Path.Combine(Folder, name);
        if (File.Exists(path))
            throw Errors.InvalidArgument(
                "chunk.file", $"{name} comes a second time; a file's chunks follow one another.");
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        _name = name;
    }

    private void EndFile()
    {
        _file?.Flush(flushToDisk: true);
        _file?.Dispose();
        _file = null;
    }
}
