using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Serving.Server.Configuration;
using Serving.Storage;
using Serving.Training.Data;

namespace Serving.Server.Datasets;

/// <summary>Datasets on disk: `datasets/DIGEST/`, each with a name of its own.</summary>
/// <remarks>
/// A dataset is whole or not there: it is made in a folder whose name begins with a dot, and renamed. Such folders of a
/// process that stopped are removed at the start.
/// </remarks>
internal sealed class DatasetStore
{
    private readonly string _root;
    private readonly ServerOptions _options;
    private readonly IFileSystem _files;
    private readonly Lock _changes = new();
    private ImmutableSortedDictionary<string, DatasetManifest> _datasets;

    /// <param name="root">Made if it is missing.</param>
    public DatasetStore(string root, ServerOptions options, IFileSystem files, ILogger<DatasetStore> logger)
    {
        _root = Path.GetFullPath(root);
        _options = options;
        _files = files;
        files.EnsureFolder(_root);
        foreach (var unfinished in Directory.EnumerateDirectories(_root, ".*").ToList())
            files.TryDelete(unfinished);
        var datasets = ImmutableSortedDictionary.CreateBuilder<string, DatasetManifest>(StringComparer.Ordinal);
        foreach (var folder in Directory.EnumerateDirectories(_root))
        {
            try
            {
                var manifest = DatasetManifest.Parse(
                    File.ReadAllText(Path.Combine(folder, DatasetFolder.ManifestFile)));
                datasets[manifest.Name] = manifest;
            }
            catch (Exception exception) when (
                exception is JsonException or NotSupportedException || DiskFailure.Is(exception))
            {
                logger.LogWarning("{Folder} is no dataset and is left out: {Problem}", folder, exception.Message);
            }
        }

        _datasets = datasets.ToImmutable();
    }

    /// <summary>All datasets, by name.</summary>
    public ImmutableSortedDictionary<string, DatasetManifest> All => _datasets;

    /// <exception cref="DomainException">There is none of this name.</exception>
    public DatasetManifest Require(string name) =>
        _datasets.GetValueOrDefault(name) ?? throw DomainException.NotFound("dataset", name, _datasets.Keys);

    /// <summary>Where a dataset's files are.</summary>
    public string Folder(DatasetManifest dataset) => Path.Combine(_root, dataset.Digest);

    /// <summary>Begins an upload.</summary>
    /// <exception cref="DomainException">The name is taken.</exception>
    public DatasetUpload BeginUpload(string name)
    {
        ThrowIfTaken(name);
        return new(Path.Combine(_root, $".upload-{Guid.NewGuid():N}"), _options.MaxDatasetBytes, _files);
    }

    /// <summary>Makes an upload that was read a dataset.</summary>
    /// <exception cref="DomainException">Name or rows are there, or there is no more room.</exception>
    public void Commit(DatasetUpload upload, DatasetManifest manifest)
    {
        lock (_changes)
        {
            ThrowIfTaken(manifest.Name);
            if (_datasets.Values.FirstOrDefault(other => other.Digest == manifest.Digest) is { } same)
                throw DomainException.AlreadyExists(
                    "dataset", same.Name, $"The dataset '{same.Name}' has the very same rows", "use that");
            var total = _datasets.Values.Sum(other => other.Bytes) + manifest.Bytes;
            if (total > _options.MaxDatasetsBytes)
            {
                throw DomainException.TooLarge(
                    $"All datasets would take {total} bytes",
                    $"{_options.MaxDatasetsBytes} are allowed (Server:MaxDatasetsBytes)",
                    "delete some");
            }

            upload.DeleteFile();
            _files.Replace(
                Path.Combine(upload.Folder, DatasetFolder.ManifestFile), Encoding.UTF8.GetBytes(manifest.ToJson()));
            _files.MoveFolder(upload.Folder, Folder(manifest));
            _datasets = _datasets.Add(manifest.Name, manifest);
        }
    }

    /// <returns>The bytes that are free again.</returns>
    /// <exception cref="DomainException">There is none of this name.</exception>
    public long Delete(string name)
    {
        lock (_changes)
        {
            var manifest = Require(name);
            _files.DeleteFolder(Folder(manifest), Path.Combine(_root, $".deleting-{Guid.NewGuid():N}"));
            _datasets = _datasets.Remove(name);
            return manifest.Bytes;
        }
    }

    private void ThrowIfTaken(string name)
    {
        if (_datasets.ContainsKey(name))
            throw DomainException.AlreadyExists(
                "dataset", name, $"There is a dataset '{name}' already", "delete it first, or choose another name");
    }
}

/// <summary>A file as it comes in, in a folder of its own until it is read.</summary>
internal sealed class DatasetUpload : IDisposable
{
    private const string UploadedFile = "upload";

    private readonly string _folder;
    private readonly long _maxBytes;
    private readonly IFileSystem _files;
    private Stream? _file;

    /// <param name="folder">Is made, and goes with the upload unless it was moved.</param>
    public DatasetUpload(string folder, long maxBytes, IFileSystem files)
    {
        (_folder, _maxBytes, _files) = (folder, maxBytes, files);
        files.CreateFolder(folder);
        try
        {
            _file = files.Create(Path.Combine(folder, UploadedFile));
        }
        catch
        {
            files.TryDelete(folder);
            throw;
        }
    }

    public string Folder => _folder;

    /// <exception cref="DomainException">It is larger than one may be.</exception>
    public async Task AppendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (_file!.Length + data.Length > _maxBytes)
            throw DomainException.TooLarge(
                $"The file has more than {_maxBytes} bytes, the most for a dataset (Server:MaxDatasetBytes)",
                "cut it into several");
        await _file.WriteAsync(data, cancellationToken);
    }

    /// <summary>Reads the file into rows.</summary>
    /// <exception cref="DatasetException">It can't be read as asked.</exception>
    public DatasetManifest Finish(
        string name, DatasetFormat format, DatasetColumns columns, long mostRejected, CancellationToken cancelled)
    {
        Close();
        return DatasetFolder.Import(
            Path.Combine(_folder, UploadedFile), _folder, name, format, columns, mostRejected, _maxBytes, cancelled);
    }

    /// <summary>Only the rows are kept.</summary>
    public void DeleteFile() => _files.Delete(Path.Combine(_folder, UploadedFile));

    public void Dispose()
    {
        try
        {
            Close(); // Writes what is left of it, for which there may be no room.
        }
        catch (IOException)
        {
            // It goes with the folder.
        }

        _files.TryDelete(_folder);
    }

    private void Close()
    {
        _file?.Dispose();
        _file = null;
    }
}
