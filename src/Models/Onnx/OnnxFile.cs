using System.IO.MemoryMappedFiles;

namespace Serving.Models.Onnx;

/// <summary>A memory-mapped ONNX file.</summary>
internal sealed unsafe class OnnxFile : IDisposable
{
    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _bytes;

    private OnnxFile(string path, FileStream file)
    {
        Path = path;
        Length = (int)file.Length;
        _mapping = MemoryMappedFile.CreateFromFile(
            file, mapName: null, Length, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _mapping.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        byte* pointer = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        _bytes = pointer + _view.PointerOffset;
    }

    public string Path { get; }

    /// <summary>In bytes.</summary>
    public int Length { get; }

    /// <exception cref="ModelFileException">
    /// It is missing, empty, larger than 2 GiB or a pointer of Git LFS.
    /// </exception>
    public static OnnxFile Open(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (stream.Length is 0 or > int.MaxValue)
            {
                throw new ModelFileException(
                    $"{path} has {stream.Length} bytes; 1 to {int.MaxValue} are needed, as protobuf allows.");
            }

            var file = new OnnxFile(path, stream);
            try
            {
                LfsPointer.ThrowIf(path, file.Bytes(0, Math.Min(file.Length, LfsPointer.MaxBytes)));
                return file;
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(ModelFiles.WhyUnreadable(path, exception), exception);
        }
    }

    /// <summary>Some bytes, in the file's memory: valid until it is disposed.</summary>
    public ReadOnlySpan<byte> Bytes(int start, int count) => new ReadOnlySpan<byte>(_bytes, Length).Slice(start, count);

    /// <summary>That it can't be used.</summary>
    /// <param name="reason">What was found, what is needed, without a full stop.</param>
    public ModelFileException Refusal(string reason) => new($"{Path}: {reason}.");

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _mapping.Dispose();
    }
}
