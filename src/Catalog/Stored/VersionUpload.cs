using System.Security.Cryptography;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>The files of a version as they come in, until they are checked; digested on their way to disk.</summary>
public sealed class VersionUpload(BlobDraft draft, string task, string? expectedVersion, long maxFileBytes)
    : IDisposable
{
    private static readonly string[] Names = [VersionFiles.ManifestFile, VersionFiles.MaskFile, VersionFiles.HeadFile];

    private readonly Dictionary<string, string> _digests = new(StringComparer.Ordinal);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private Stream? _file;
    private string? _name;

    public BlobDraft Draft => draft;

    public string Task => task;

    /// <summary>SHA-256 of the files, by name, as they were written.</summary>
    public IReadOnlyDictionary<string, string> Digests => _digests;

    /// <summary>Adds bytes to a file; another name than the last begins the next file.</summary>
    /// <exception cref="DomainException">It is no file of a version, one that was ended, or one too large.</exception>
    public async Task AppendAsync(string name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (name != _name)
            Begin(name);
        if (_file!.Length + data.Length > maxFileBytes)
        {
            throw DomainException.Invalid(
                "chunk.data",
                $"{name} has more than {maxFileBytes} bytes, the most that this server takes for a file of a version");
        }

        _hash.AppendData(data.Span);
        await _file.WriteAsync(data, cancellationToken);
    }

    /// <summary>Adds the files of a folder.</summary>
    public async Task AppendFolderAsync(string folder, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 20];
        foreach (var path in Directory.GetFiles(folder))
        {
            await using var file = File.OpenRead(path);
            for (int read; (read = await file.ReadAsync(buffer, cancellationToken)) > 0;)
                await AppendAsync(Path.GetFileName(path), buffer.AsMemory(0, read), cancellationToken);
        }
    }

    /// <summary>Flushes the files to disk and checks them as a whole.</summary>
    /// <returns>The version.</returns>
    /// <exception cref="ModelFileException">They are no sound version, or another than was announced.</exception>
    public string Finish()
    {
        EndFile();
        using var pack = VersionFiles.Open(draft.Folder, expectedVersion, _digests);
        return pack.Version;
    }

    public void Dispose()
    {
        try
        {
            _file?.Dispose(); // Writes what is left of it, for which there may be no room.
        }
        catch (IOException)
        {
            // It goes with the draft.
        }

        _hash.Dispose();
        draft.Dispose();
    }

    private void Begin(string name)
    {
        if (!Names.Contains(name, StringComparer.Ordinal))
        {
            throw DomainException.Invalid(
                "chunk.file",
                $"'{(name.Length > 40 ? name[..40] : name)}' is no file of a version",
                $"those are {string.Join(", ", Names)}");
        }

        EndFile();
        if (_digests.ContainsKey(name))
        {
            throw DomainException.Invalid(
                "chunk.file", $"{name} comes a second time", "a file's chunks follow one another");
        }

        _file = draft.Files.Create(Path.Combine(draft.Folder, name));
        _name = name;
    }

    private void EndFile()
    {
        if (_file is null)
            return;
        draft.Files.Flush(_file);
        _file.Dispose();
        _file = null;
        _digests.Add(_name!, Convert.ToHexStringLower(_hash.GetHashAndReset()));
    }
}
