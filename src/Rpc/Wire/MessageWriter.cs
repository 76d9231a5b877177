using System.Buffers;
using System.IO.Compression;
using Grpc.Core;
using Grpc.Net.Compression;

namespace Grpc.Wire;

/// <summary>
/// Frames the messages of one direction of a call. A message whose serializer announces its length is written straight
/// into the target; anything else is gathered in a pooled buffer first.
/// </summary>
/// <param name="target">Where the frames go.</param>
/// <param name="maxBytes">The largest message, before compression; null for no limit.</param>
internal sealed class MessageWriter(IBufferWriter<byte> target, int? maxBytes) : SerializationContext, IBufferWriter<byte>
{
    private PooledBufferWriter? _gathered;
    private ICompressionProvider? _compression;
    private CompressionLevel? _level;
    private int? _announced;
    private int _written;
    private bool _direct;
    private bool _completed;

    /// <summary>Whether bytes of an unfinished message went into the target, which then can't be mended.</summary>
    public bool IsTorn { get; private set; }

    /// <summary>Writes one message with its frame; nothing is flushed.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED: the message is over the limit.</exception>
    public void Write<T>(
        T message, Action<T, SerializationContext> serializer, ICompressionProvider? compression, CompressionLevel? level)
    {
        _compression = compression;
        _level = level;
        _announced = null;
        _written = 0;
        _direct = false;
        _completed = false;
        try
        {
            serializer(message, this);
            if (!_completed)
            {
                throw new InvalidOperationException(
                    $"The serializer of {typeof(T).Name} did not call Complete; every serializer must.");
            }
        }
        catch
        {
            IsTorn |= _direct;
            throw;
        }
        finally
        {
            _gathered?.Clear();
        }
    }

    public override void SetPayloadLength(int payloadLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(payloadLength);
        CheckSize(payloadLength);
        _announced = payloadLength;
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        if (_announced is not { } length || _compression is not null)
        {
            return _gathered ??= new PooledBufferWriter();
        }

        if (!_direct)
        {
            MessageFrame.WriteHeader(target, length, compressed: false);
            _direct = true;
        }

        return this;
    }

    public override void Complete()
    {
        if (!_direct)
        {
            WriteWhole(_gathered is null ? [] : _gathered.WrittenSpan);
        }
        else if (_written != _announced)
        {
            throw new InvalidOperationException($"The serializer announced {_announced} bytes and wrote {_written}.");
        }

        _completed = true;
    }

    public override void Complete(byte[] payload)
    {
        ArgumentNullException.ThrowIfNull(payload);
        WriteWhole(payload);
        _completed = true;
    }

    void IBufferWriter<byte>.Advance(int count)
    {
        target.Advance(count);
        _written += count;
    }

    Memory<byte> IBufferWriter<byte>.GetMemory(int sizeHint) => target.GetMemory(sizeHint);

    Span<byte> IBufferWriter<byte>.GetSpan(int sizeHint) => target.GetSpan(sizeHint);

    private void WriteWhole(ReadOnlySpan<byte> payload)
    {
        CheckSize(payload.Length);
        if (_compression is null || payload.IsEmpty)
        {
            // An empty message is sent as it is: .NET's compressors make no valid stream of it.
            MessageFrame.WriteHeader(target, payload.Length, compressed: false);
            target.Write(payload);
            return;
        }

        using var compressed = new PooledBufferWriter();
        MessageCompression.Compress(payload, compressed, _compression, _level);
        MessageFrame.WriteHeader(target, compressed.WrittenCount, compressed: true);
        target.Write(compressed.WrittenSpan);
    }

    private void CheckSize(int bytes)
    {
        if (bytes > maxBytes)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted,
                $"Message to send is {bytes} bytes, more than the {maxBytes} that this side sends; " +
                "send smaller messages or raise MaxSendMessageSize."));
        }
    }
}
