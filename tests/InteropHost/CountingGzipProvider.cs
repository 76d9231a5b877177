using System.IO.Compression;
using Grpc.Net.Compression;

namespace Serving.InteropHost;

/// <summary>
/// gzip that counts the compressed messages of the current call: the API says of a call whether it compresses, but not of
/// a single message whether it came compressed, which the interop cases ask for.
/// </summary>
public sealed class CountingGzipProvider : ICompressionProvider
{
    private static readonly AsyncLocal<StrongCount?> Current = new();

    private readonly GzipCompressionProvider _inner = new(CompressionLevel.Fastest);

    public string EncodingName => _inner.EncodingName;

    /// <summary>Compressed messages that this call has received so far.</summary>
    public static int ReceivedCompressed => Current.Value?.Value ?? 0;

    /// <summary>Middleware: starts the count of a call.</summary>
    public static Task CountCallAsync(HttpContext httpContext, RequestDelegate next)
    {
        Current.Value = httpContext.Request.Headers.ContainsKey("grpc-encoding") ? new StrongCount() : null;
        return next(httpContext);
    }

    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        _inner.CreateCompressionStream(stream, compressionLevel);

    public Stream CreateDecompressionStream(Stream stream)
    {
        Current.Value?.Increment();
        return _inner.CreateDecompressionStream(stream);
    }

    private sealed class StrongCount
    {
        public int Value { get; private set; }

        public void Increment() => Value++;
    }
}
