using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Serving.Models;

namespace Serving.Catalog.Stored;

/// <summary>Digests of all that a model's folder holds: weights, configuration and vocabulary.</summary>
public sealed class ModelContents(ModelStore models)
{
    // By name, each with what the files looked like when they were digested.
    private readonly ConcurrentDictionary<string, (string Look, string Digest)> _known = new(StringComparer.Ordinal);

    /// <summary>SHA-256 of the names and contents of a model's files. Reads them if they changed.</summary>
    /// <exception cref="ModelFileException">There is no such folder.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public Task<string> DigestAsync(string name) => Task.Run(() =>
    {
        var folder = models.Folder(name);
        var look = FolderLook.Of(folder);
        if (_known.TryGetValue(name, out var known) && known.Look == look)
            return known.Digest;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in FolderLook.Files(folder).Where(path => FolderLook.Target(path) is not null))
        {
            using var file = File.OpenRead(path);
            hash.AppendData(Encoding.UTF8.GetBytes(
                $"{Path.GetFileName(path)} {Convert.ToHexStringLower(SHA256.HashData(file))}\n"));
        }

        var digest = Convert.ToHexStringLower(hash.GetHashAndReset());
        _known[name] = (look, digest);
        return digest;
    });
}
