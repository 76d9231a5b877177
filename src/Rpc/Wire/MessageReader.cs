using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.Wire;

/// <summary>Reads the messages of one direction of a call off a pipe, without copying them.</summary>
/// <param name="pipe">Where the frames come from.</param>
/// <param name="deserializer">Bytes to message.</param>
/// <param name="maxBytes">The largest message, after decompression; null for no limit.</param>
/// <param name="compression">What the peer's grpc-encoding names; null for identity.</param>
/// <param name="onLost">What a read throws for an IOException of the pipe; null for that exception itself.</param>
internal sealed class MessageReader<T>(
    PipeReader pipe,
    Func<DeserializationContext, T> deserializer,
    int? maxBytes,
    ICompressionProvider? compression,
    Func<IOException, Exception>? onLost = null)
    where T : class
{
    private readonly PayloadContext _payload = new();

    /// <summary>The message of the last <see cref="ReadAsync"/> that returned true.</summary>
    public T? Current { get; private set; }

    /// <summary>Reads the next message; false at the end of the stream.</summary>
    /// <exception cref="RpcException">The frames are malformed, truncated or too large.</exception>
    public ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Most messages are in the buffer before they are asked for.
            if (pipe.TryRead(out var result) && !result.IsCanceled && TryTake(result, out var hasMessage))
            {
                return new ValueTask<bool>(hasMessage);
            }
        }
        catch (IOException exception) when (onLost is not null)
        {
            throw onLost(exception);
        }

        return WaitAsync(cancellationToken);
    }

    /// <summary>Reads the only message of the direction, and the end after it.</summary>
    /// <exception cref="RpcException">INTERNAL: there is none, or more than one.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<T> ReadSingleAsync(CancellationToken cancellationToken)
    {
        if (!await ReadAsync(cancellationToken))
        {
            throw new RpcException(new Status(
                StatusCode.Internal, "The call sent no message; this kind of call needs exactly one."));
        }

        var message = Current!;
        if (await ReadAsync(cancellationToken))
        {
            throw new RpcException(new Status(
                StatusCode.Internal, "The call sent more than one message; this kind of call needs exactly one."));
        }

        return message;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var result = await pipe.ReadAsync(cancellationToken);
                if (result.IsCanceled)
                {
                    throw new OperationCanceledException("The read was cancelled.");
                }

                if (TryTake(result, out var hasMessage))
                {
                    return hasMessage;
                }
            }
        }
        catch (IOException exception) when (onLost is not null)
        {
            throw onLost(exception);
        }
    }

    /// <summary>True when the read is decided: a message was taken, or the stream is at its end.</summary>
    private bool TryTake(ReadResult result, out bool hasMessage)
    {
        var buffer = result.Buffer;
        if (MessageFrame.TryRead(ref buffer, maxBytes, out var compressed, out var payload))
        {
            Current = compressed ? DeserializeCompressed(payload) : Deserialize(payload);
            pipe.AdvanceTo(buffer.Start);
            hasMessage = true;
            return true;
        }

        hasMessage = false;
        Current = null;
        if (!result.IsCompleted)
        {
            pipe.AdvanceTo(buffer.Start, buffer.End);
            return false;
        }

        var left = buffer.Length;
        pipe.AdvanceTo(buffer.End);
        return left == 0
            ? true
            : throw new RpcException(new Status(
                StatusCode.Internal, $"Incomplete message: the stream ended {left} bytes into a frame."));
    }

    private T DeserializeCompressed(ReadOnlySequence<byte> payload)
    {
        if (compression is null)
        {
            throw new RpcException(new Status(
                StatusCode.Internal, "A message is flagged as compressed but grpc-encoding names no compression."));
        }

        using var buffer = new PooledBufferWriter();
        MessageCompression.Decompress(payload, buffer, compression, maxBytes);
        return Deserialize(new ReadOnlySequence<byte>(buffer.WrittenMemory));
    }

    private T Deserialize(ReadOnlySequence<byte> payload)
    {
        _payload.Payload = payload;
        try
        {
            return deserializer(_payload)
                ?? throw new InvalidOperationException($"The deserializer of {typeof(T).Name} returned null.");
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw new RpcException(new Status(
                StatusCode.Internal,
                $"A message of {payload.Length} bytes is not a valid {typeof(T).Name}; both sides must use the same .proto.",
                exception));
        }
        finally
        {
            _payload.Payload = default;
        }
    }

    private sealed class PayloadContext : DeserializationContext
    {
        public ReadOnlySequence<byte> Payload { get; set; }

        public override int PayloadLength => (int)Payload.Length;

        public override byte[] PayloadAsNewBuffer() => Payload.ToArray();

        public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => Payload;
    }
}
