using System.Buffers;
using System.Buffers.Binary;
using Grpc.Core;

namespace Grpc.Wire;

/// <summary>The frame around each message: a compressed flag (1 byte), the length (4 bytes, big-endian), the bytes.</summary>
internal static class MessageFrame
{
    public const int HeaderSize = 5;

    public static void WriteHeader(IBufferWriter<byte> writer, int length, bool compressed)
    {
        var header = writer.GetSpan(HeaderSize);
        header[0] = compressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)length);
        writer.Advance(HeaderSize);
    }

    /// <summary>Takes one whole frame off the front of a buffer; false leaves the buffer as it is.</summary>
    /// <exception cref="RpcException">
    /// INTERNAL: the flag is neither 0 nor 1. RESOURCE_EXHAUSTED: the announced length is over the limit; thrown as soon as
    /// the header is there, before the message is buffered.
    /// </exception>
    public static bool TryRead(
        ref ReadOnlySequence<byte> buffer, int? maxBytes, out bool compressed, out ReadOnlySequence<byte> payload)
    {
        compressed = false;
        payload = default;
        if (buffer.Length < HeaderSize)
        {
            return false;
        }

        Span<byte> copy = stackalloc byte[HeaderSize];
        scoped ReadOnlySpan<byte> header = buffer.FirstSpan;
        if (header.Length < HeaderSize)
        {
            buffer.Slice(0, HeaderSize).CopyTo(copy);
            header = copy;
        }

        compressed = header[0] switch
        {
            0 => false,
            1 => true,
            var flag => throw new RpcException(new Status(
                StatusCode.Internal, $"Malformed message: its compressed flag is {flag}; it must be 0 or 1."))
        };
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (length > (uint)(maxBytes ?? int.MaxValue))
        {
            throw TooLargeToReceive($"is {length} bytes", maxBytes ?? int.MaxValue);
        }

        if (buffer.Length - HeaderSize < length)
        {
            return false;
        }

        payload = buffer.Slice(HeaderSize, length);
        buffer = buffer.Slice(payload.End);
        return true;
    }

    public static RpcException TooLargeToReceive(string what, int maxBytes) => new(new Status(
        StatusCode.ResourceExhausted,
        $"Received message {what}, more than the {maxBytes} that this side takes; " +
        "send smaller messages or raise MaxReceiveMessageSize."));
}
