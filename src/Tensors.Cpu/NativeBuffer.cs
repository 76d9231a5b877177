using System.Runtime.InteropServices;

namespace Serving.Tensors.Cpu;

/// <summary>A block of native memory, aligned to 64 bytes, zeroed, returned to its pool by Dispose.</summary>
internal sealed unsafe class NativeBuffer : Storage
{
    private readonly BufferPool _pool;

    internal NativeBuffer(BufferPool pool, nuint capacity, bool isPaged, void* pointer)
    {
        _pool = pool;
        Capacity = capacity;
        IsPaged = isPaged;
        Pointer = pointer;
    }

    public nuint Capacity { get; }

    /// <summary>Whether it is whole pages from the operating system.</summary>
    public bool IsPaged { get; }

    /// <summary>Null once disposed.</summary>
    public void* Pointer { get; internal set; }

    public override long Bytes => (long)Capacity;

    public float* Floats
    {
        get
        {
            ObjectDisposedException.ThrowIf(Pointer == null, this);
            return (float*)Pointer;
        }
    }

    public override void Write(long offset, ReadOnlySpan<float> values) =>
        values.CopyTo(Elements(offset, values.Length));

    public override void Read(long offset, Span<float> values) => Elements(offset, values.Length).CopyTo(values);

    public override void Dispose() => _pool.Return(this);

    private Span<float> Elements(long offset, int count)
    {
        if (offset < 0 || offset > (Bytes / sizeof(float)) - count)
        {
            throw new ShapeException(
                $"Storage: elements {offset} to {offset + count} are not among {Bytes / sizeof(float)}.");
        }

        return MemoryMarshal.CreateSpan(ref Floats[offset], count);
    }
}
