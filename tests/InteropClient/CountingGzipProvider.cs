using System.IO.Compression;
using Grpc.Net.Compression;

namespace Serving.InteropClient;

/// <summary>gzip that counts the compressed messages received; the cases run one after another.</summary>
public sealed class CountingGzipProvider : ICompressionProvider
{
    private readonly GzipCompressionProvider _inner = new(CompressionLevel.Fastest);
    private int _received;

    public string EncodingName => _inner.EncodingName;

    public int Received => Volatile.Read(ref _received);

    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        _inner.CreateCompressionStream(stream, compressionLevel);

    public Stream CreateDecompressionStream(Stream stream)
    {
        Interlocked.Increment(ref _received);
        return _inner.CreateDecompressionStream(stream);
    }
}
