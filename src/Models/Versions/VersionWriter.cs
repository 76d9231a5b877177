using System.Security.Cryptography;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Storage;

namespace Serving.Models.Versions;

/// <summary>Writes a task version.</summary>
/// <param name="files">Where to write; null for the disk.</param>
public sealed class VersionWriter(IFileSystem? files = null)
{
    private readonly IFileSystem _files = files ?? DiskFileSystem.Instance;
    private readonly SafetensorsWriter _masks = new();
    private readonly SafetensorsWriter _head = new();
    private readonly Dictionary<string, long> _kept = new(StringComparer.Ordinal);
    private bool _isCoded;

    /// <summary>Adds a mask, in <see cref="MaskCode"/> where that is shorter.</summary>
    /// <param name="name">The tensor that it is for, as in <see cref="BertTensors"/>.</param>
    /// <param name="bits">See <see cref="BitMask"/>; read again when the version is written.</param>
    /// <exception cref="ArgumentException">There are not as many bits as weights, or spare bits are not 0.</exception>
    public void AddMask(string name, int rows, int columns, ReadOnlyMemory<byte> bits)
    {
        if (bits.Length != BitMask.ByteCount(rows, columns) || !BitMask.HasZeroPadding(bits.Span, (long)rows * columns))
        {
            throw new ArgumentException(
                $"The mask of '{name}' has {bits.Length} bytes; [{rows}, {columns}] needs "
                + $"{BitMask.ByteCount(rows, columns)}, with spare bits 0.");
        }

        var code = MaskCode.Encode(bits.Span, (long)rows * columns);
        _masks.Add(name, SafetensorsTypes.UInt8, [code?.Length ?? bits.Length], code ?? bits);
        _masks.Metadata.Add(name, $"{rows}x{columns}{(code is null ? "" : MaskFile.CodedMark)}");
        _isCoded |= code is not null;
        _kept.Add(name, BitMask.PopCount(bits.Span));
    }

    /// <summary>Sets the head.</summary>
    /// <param name="weight">[labels, hidden]</param>
    /// <param name="bias">[labels]</param>
    public void SetHead(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        _head.Add(BertTensors.ClassifierWeight, [bias.Length, weight.Length / bias.Length], weight);
        _head.Add(BertTensors.ClassifierBias, [bias.Length], bias);
    }

    /// <summary>Writes the three files into a folder below `parent` that is named after the version.</summary>
    /// <param name="manifest">Its format, kept counts and files are filled in.</param>
    /// <returns>The version. An interrupted write leaves nothing under its name.</returns>
    public string Write(string parent, VersionManifest manifest)
    {
        _files.EnsureFolder(parent);
        var temporary = Path.Combine(parent, $".writing-{Guid.NewGuid():N}");
        _files.CreateFolder(temporary);
        try
        {
            var complete = manifest with
            {
                Format = _isCoded || manifest.Pruned is not null
                    ? VersionManifest.SecondFormat
                    : VersionManifest.CurrentFormat,
                Kept = _kept,
                Files = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    [VersionFiles.MaskFile] = WriteFile(Path.Combine(temporary, VersionFiles.MaskFile), _masks.Write),
                    [VersionFiles.HeadFile] = WriteFile(Path.Combine(temporary, VersionFiles.HeadFile), _head.Write)
                }
            };
            var json = complete.ToJson();
            var version = WriteFile(Path.Combine(temporary, VersionFiles.ManifestFile), stream => stream.Write(json));
            var folder = Path.Combine(parent, version);
            if (!Directory.Exists(folder)) // The same contents are the same version.
                _files.MoveFolder(temporary, folder);
            return version;
        }
        finally
        {
            _files.TryDelete(temporary);
        }
    }

    /// <returns>SHA-256 of what was written, in lower-case hexadecimal.</returns>
    private string WriteFile(string path, Action<Stream> write)
    {
        using var hash = SHA256.Create();
        _files.WriteNew(path, file =>
        {
            using var digested = new CryptoStream(file, hash, CryptoStreamMode.Write, leaveOpen: true);
            write(digested);
        });
        return Convert.ToHexStringLower(hash.Hash!);
    }
}
