using Serving.Storage;

namespace Serving.Models.Onnx;

/// <summary>A memory-mapped ONNX file.</summary>
internal sealed class OnnxFile : IDisposable
{
    private readonly MappedFile _file;

    private OnnxFile(string path, FileStream file)
    {
        Path = path;
        _file = new(file);
    }

    public string Path { get; }

    /// <summary>In bytes.</summary>
    public int Length => (int)_file.Length;

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
    public ReadOnlySpan<byte> Bytes(int start, int count) => _file.Bytes(start, count);

    /// <summary>That it can't be used.</summary>
    /// <param name="reason">What was found, what is needed, without a full stop.</param>
    public ModelFileException Refusal(string reason) => new($"{Path}: {reason}.");

    public void Dispose() => _file.Dispose();
}
