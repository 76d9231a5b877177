using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.Wire;

/// <summary>Compresses and decompresses single messages.</summary>
internal static class MessageCompression
{
    private const int ChunkBytes = 16 * 1024;

    /// <summary>A header of 10 bytes and a trailer of 8.</summary>
    private const int MinGzipBytes = 18;

    /// <summary>gzip and deflate.</summary>
    public static IReadOnlyList<ICompressionProvider> DefaultProviders { get; } =
        [new GzipCompressionProvider(CompressionLevel.Fastest), new DeflateCompressionProvider(CompressionLevel.Fastest)];

    /// <summary>The value of grpc-accept-encoding: "identity,gzip,deflate".</summary>
    public static string AcceptEncoding(IEnumerable<string> names) => string.Join(',', names.Prepend(GrpcProtocol.Identity));

    /// <summary>Whether a grpc-accept-encoding header lists an encoding.</summary>
    public static bool Accepts(string? acceptEncoding, string encoding)
    {
        var header = acceptEncoding.AsSpan();
        foreach (var part in header.Split(','))
        {
            if (header[part].Trim().Equals(encoding, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    public static void Compress(
        ReadOnlySpan<byte> payload, PooledBufferWriter destination, ICompressionProvider provider, CompressionLevel? level)
    {
        using var target = new BufferWriterStream(destination);
        using var stream = provider.CreateCompressionStream(target, level);
        stream.Write(payload);
    }

    /// <summary>Stops at the limit, however much more the compressed bytes would become.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED over the limit; INTERNAL where the bytes are not of this format.</exception>
    public static void Decompress(
        in ReadOnlySequence<byte> payload, PooledBufferWriter destination, ICompressionProvider provider, int? maxBytes)
    {
        if (payload.IsEmpty)
        {
            return; // What .NET's compressors make of an empty message.
        }

        var limit = maxBytes ?? int.MaxValue;
        using var source = new SequenceStream(payload);
        using var stream = provider.CreateDecompressionStream(source);
        try
        {
            int read;
            while ((read = stream.Read(destination.GetSpan(ChunkBytes))) > 0)
            {
                if (read > limit - destination.WrittenCount)
                {
                    throw MessageFrame.TooLargeToReceive("is larger when decompressed", limit);
                }

                destination.Advance(read);
            }

            if (provider.EncodingName == "gzip")
            {
                CheckGzipLength(payload, destination.WrittenCount);
            }
        }
        catch (InvalidDataException exception)
        {
            throw new RpcException(new Status(
                StatusCode.Internal, $"A compressed message is not valid {provider.EncodingName}.", exception));
        }
    }

    /// <summary>GZipStream takes a truncated stream for a short one; the length at the end of the stream tells.</summary>
    /// <remarks>RFC 1952, section 2.3.1: ISIZE, the last four bytes, little-endian.</remarks>
    private static void CheckGzipLength(in ReadOnlySequence<byte> payload, int length)
    {
        if (payload.Length < MinGzipBytes)
        {
            throw new InvalidDataException($"{payload.Length} bytes are no gzip stream.");
        }

        Span<byte> size = stackalloc byte[sizeof(uint)];
        payload.Slice(payload.Length - size.Length).CopyTo(size);
        if (BinaryPrimitives.ReadUInt32LittleEndian(size) != (uint)length)
        {
            throw new InvalidDataException($"The gzip stream ends after {length} bytes, before its end.");
        }
    }
}
