namespace Serving.Tensors.Cpu;

/// <summary>Whole numbers in native memory: host and device are one.</summary>
internal sealed unsafe class CpuIndexBuffer(BufferPool pool, int capacity) : IndexBuffer(capacity)
{
    private readonly NativeBuffer _buffer = pool.Rent((long)capacity * sizeof(int), hugePages: false);
    private int _count;

    public override long Bytes => _buffer.Bytes;

    public override ReadOnlySpan<int> Values => new(Pointer, _count);

    public int* Pointer => (int*)_buffer.Floats;

    public override void Dispose() => _buffer.Dispose();

    protected override void Store(ReadOnlySpan<int> values)
    {
        values.CopyTo(new Span<int>(Pointer, Capacity));
        _count = values.Length;
    }
}
