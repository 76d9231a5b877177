using System.IO.Compression;
using Grpc.Net.Compression;

namespace Serving.Server.Http;

/// <summary>
/// Compression of which a message may decompress to so many bytes only. Grpc.AspNetCore holds the limit against the
/// compressed size and decompresses the whole: 1 MiB of gzip may be 1 GiB.
/// </summary>
internal sealed class BoundedCompression(ICompressionProvider inner, int maxBytes) : ICompressionProvider
{
    public string EncodingName => inner.EncodingName;

    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        inner.CreateCompressionStream(stream, compressionLevel);

    public Stream CreateDecompressionStream(Stream stream) =>
        new BoundedStream(inner.CreateDecompressionStream(stream), EncodingName, maxBytes);

    /// <summary>A stream to read, which ends the call where a byte too much or none that make sense come.</summary>
    private sealed class BoundedStream(Stream inner, string encoding, int maxBytes) : Stream
    {
        private long _read;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            try
            {
                var read = inner.Read(buffer);
                _read += read;
                return _read <= maxBytes ? read : throw Errors.TooLarge(
                    $"The message has more than the {maxBytes} bytes that this server takes, decompressed; "
                    + "send less in one.");
            }
            catch (InvalidDataException exception)
            {
                throw Errors.Internal($"The message is no valid {encoding}: {exception.Message}");
            }
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
