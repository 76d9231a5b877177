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

    public override void Write(long offset, int rows, int columns, int stride, ReadOnlySpan<float> values)
    {
        Shapes.Copy(offset, rows, columns, stride, values.Length, Bytes / sizeof(float));
        var first = Floats + offset;
        for (var row = 0; row < rows; row++)
        {
            values.Slice(row * columns, columns)
                .CopyTo(MemoryMarshal.CreateSpan(ref first[(long)row * stride], columns));
        }
    }

    public override void Read(long offset, int rows, int columns, int stride, Span<float> values)
    {
        Shapes.Copy(offset, rows, columns, stride, values.Length, Bytes / sizeof(float));
        var first = Floats + offset;
        for (var row = 0; row < rows; row++)
        {
            MemoryMarshal.CreateReadOnlySpan(ref first[(long)row * stride], columns)
                .CopyTo(values.Slice(row * columns, columns));
        }
    }

    public override void Dispose() => _pool.Return(this);
}
