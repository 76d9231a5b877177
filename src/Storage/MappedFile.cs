using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Serving.Storage;

/// <summary>A file's bytes in memory, read from the disk as they are touched.</summary>
/// <remarks>What is returned of it lies in it: valid until it is disposed.</remarks>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;

    /// <summary>Maps what a file has now.</summary>
    /// <param name="file">Open for reading; it may be closed afterwards.</param>
    /// <exception cref="IOException">It can't be mapped.</exception>
    public MappedFile(FileStream file)
    {
        Length = file.Length;
        if (Length == 0)
            return; // There is nothing to map.
        _mapping = MemoryMappedFile.CreateFromFile(
            file, mapName: null, Length, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = _mapping.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        }
        catch
        {
            _mapping.Dispose();
            throw;
        }

        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        Start = start + _view.PointerOffset;
    }

    /// <summary>In bytes.</summary>
    public long Length { get; }

    /// <summary>The first byte; null if there is none.</summary>
    public byte* Start { get; }

    /// <exception cref="IOException">It is not there, or can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static MappedFile Open(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        return new(file);
    }

    /// <summary>Some bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The file does not have them.</exception>
    public ReadOnlySpan<byte> Bytes(long first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - first);
        return new(Start + first, count);
    }

    /// <summary>Copies values, as this processor has them in memory.</summary>
    /// <param name="first">The first byte.</param>
    /// <exception cref="ArgumentOutOfRangeException">The file does not have them.</exception>
    public void Read<T>(long first, Span<T> values)
        where T : unmanaged
    {
        var bytes = MemoryMarshal.AsBytes(values);
        Bytes(first, bytes.Length).CopyTo(bytes);
    }

    public void Dispose()
    {
        if (_view is null)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _mapping!.Dispose();
    }
}
