using System.Buffers;

namespace Grpc.Wire;

/// <summary>A stream in one direction over buffers in memory, for the compressors, which know streams only.</summary>
internal abstract class BufferStream : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}

/// <summary>Reads a sequence from its start to its end.</summary>
internal sealed class SequenceStream(ReadOnlySequence<byte> sequence) : BufferStream
{
    private ReadOnlySequence<byte> _left = sequence;

    public override bool CanRead => true;

    public override int Read(Span<byte> buffer)
    {
        var count = (int)Math.Min(buffer.Length, _left.Length);
        _left.Slice(0, count).CopyTo(buffer);
        _left = _left.Slice(count);
        return count;
    }
}

/// <summary>Writes into a buffer writer.</summary>
internal sealed class BufferWriterStream(IBufferWriter<byte> destination) : BufferStream
{
    public override bool CanWrite => true;

    public override void Write(ReadOnlySpan<byte> buffer) => destination.Write(buffer);
}
