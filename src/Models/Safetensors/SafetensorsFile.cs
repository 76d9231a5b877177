using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Serving.Storage;

namespace Serving.Models.Safetensors;

/// <summary>A memory-mapped safetensors file. Everything in its header is checked before a tensor is read.</summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private const int LengthBytes = sizeof(ulong);

    private readonly MappedFile _file;
    private readonly byte* _data;
    private readonly SafetensorsHeader _header;
    private readonly long _length;

    private SafetensorsFile(string path, MappedFile file, long dataStart, SafetensorsHeader header)
    {
        Path = path;
        _file = file;
        _data = file.Start + dataStart;
        _header = header;
        _length = dataStart + header.Entries.Values.Select(entry => entry.End).DefaultIfEmpty().Max();
    }

    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _header.Entries;

    /// <summary>The file's own notes, text by name.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Maps a file.</summary>
    /// <exception cref="ModelFileException">It is not there, or is no sound safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var header = ReadHeader(path, file, file.Length, out var dataStart);
            return new(path, new(file), dataStart, header);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(ModelFiles.WhyUnreadable(path, exception), exception);
        }
    }

    /// <summary>The bytes of a tensor, in the file's memory: valid until the file is disposed.</summary>
    /// <exception cref="ModelFileException">It is not there, or has 2 GiB or more.</exception>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        var entry = Entry(name);
        if (entry.ByteCount > int.MaxValue)
        {
            throw new ModelFileException(
                $"{Path}: {entry} has {entry.ByteCount} bytes; up to {int.MaxValue} can be read.");
        }

        return new(_data + entry.Begin, (int)entry.ByteCount);
    }

    /// <summary>Reads elements of a tensor as floats, whether they are F64, F32, F16 or BF16.</summary>
    /// <remarks>F64 is rounded to the nearest float; what is too large becomes infinite.</remarks>
    /// <param name="first">The first element.</param>
    /// <param name="values">Receives as many elements as it is long.</param>
    /// <exception cref="ModelFileException">It is not there, has another type or fewer elements.</exception>
    public void ReadFloats(string name, long first, Span<float> values)
    {
        var entry = Entry(name);
        var elementBytes = SafetensorsTypes.ElementBytes(entry.Type);
        if (elementBytes == 0)
            throw NoFloats(entry);
        if (first < 0 || first > (entry.ByteCount / elementBytes) - values.Length)
            throw new ModelFileException($"{Path}: {entry} has no elements {first} to {first + values.Length}.");
        var source = _data + entry.Begin + (first * elementBytes);
        switch (entry.Type)
        {
            case SafetensorsTypes.Float32:
                new ReadOnlySpan<byte>(source, values.Length * sizeof(float)).CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case SafetensorsTypes.Float16:
                for (var i = 0; i < values.Length; i++)
                    values[i] = (float)BinaryPrimitives.ReadHalfLittleEndian(new(source + (2L * i), 2));
                break;
            case SafetensorsTypes.BFloat16:
                for (var i = 0; i < values.Length; i++)
                {
                    var upper = BinaryPrimitives.ReadUInt16LittleEndian(new(source + (2L * i), 2));
                    values[i] = BitConverter.UInt32BitsToSingle((uint)upper << 16);
                }

                break;
            case SafetensorsTypes.Float64:
                for (var i = 0; i < values.Length; i++)
                    values[i] = (float)BinaryPrimitives.ReadDoubleLittleEndian(new(source + (8L * i), 8));
                break;
            default:
                throw NoFloats(entry);
        }
    }

    /// <summary>SHA-256 of the whole file, in lower-case hexadecimal.</summary>
    public string Digest()
    {
        const int chunkBytes = 1 << 30; // A span holds no more than 2 GiB.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var at = 0L; at < _length; at += chunkBytes)
            hash.AppendData(_file.Bytes(at, (int)Math.Min(chunkBytes, _length - at)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>A tensor by name.</summary>
    /// <exception cref="ModelFileException">It is not there.</exception>
    public SafetensorsEntry Entry(string name) => Entries.TryGetValue(name, out var entry)
        ? entry
        : throw new ModelFileException(
            $"{Path} has no tensor '{name}', which is needed; it has {Entries.Count} others.");

    public void Dispose() => _file.Dispose();

    private ModelFileException NoFloats(SafetensorsEntry entry) =>
        new($"{Path}: {entry} is no tensor of floats; F64, F32, F16 or BF16 is needed.");

    private static void ThrowIfPointer(string path, FileStream file, long length)
    {
        if (length > LfsPointer.MaxBytes)
            return;
        var bytes = new byte[length];
        file.ReadExactly(bytes);
        LfsPointer.ThrowIf(path, bytes);
        file.Position = 0;
    }

    private static SafetensorsHeader ReadHeader(string path, FileStream file, long length, out long dataStart)
    {
        if (length < LengthBytes)
        {
            throw new ModelFileException(
                $"{path} has {length} bytes; a safetensors file begins with {LengthBytes} bytes of length. "
                + "Fetch it again.");
        }

        ThrowIfPointer(path, file, length);
        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        file.ReadExactly(lengthBytes);
        var headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (headerBytes > SafetensorsHeader.MaxBytes || (long)headerBytes > length - LengthBytes)
        {
            if (lengthBytes.StartsWith("PK"u8))
            {
                throw new ModelFileException(
                    $"{path} is a zip archive, as pickled weights are, no safetensors file. Convert the weights: load "
                    + "them with transformers and call save_pretrained(folder, safe_serialization=True).");
            }

            throw new ModelFileException(
                $"{path} announces a header of {headerBytes} bytes; {length - LengthBytes} follow, and "
                + $"{SafetensorsHeader.MaxBytes} are the most. It is truncated or no safetensors file. "
                + "Fetch it again.");
        }

        var header = new byte[headerBytes];
        file.ReadExactly(header);
        dataStart = LengthBytes + (long)headerBytes;
        return SafetensorsHeader.Parse(path, header, length - dataStart);
    }
}
