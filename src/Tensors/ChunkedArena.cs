namespace Serving.Tensors;

/// <summary>Cuts tensors from large chunks, one after another.</summary>
public abstract class ChunkedArena(TensorBackend backend) : TensorArena(backend)
{
    private const int ChunkElements = 16 << 20; // 64 MiB
    private const int Alignment = 64; // Elements, 256 bytes

    private readonly TensorBackend _backend = backend;
    private readonly List<Tensor> _chunks = [];
    private int _chunk;
    private long _used;

    public override Tensor Rent(int rows, int columns)
    {
        var stride = Stride(columns);
        var elements = (((long)rows * stride) + Alignment - 1) / Alignment * Alignment;
        while (_chunk < _chunks.Count && _used + elements > _chunks[_chunk].Columns)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
            _chunks.Add(_backend.Allocate(1, checked((int)Math.Max(ChunkElements, elements))));
        var chunk = _chunks[_chunk];
        var tensor = new Tensor(chunk.Storage, chunk.Offset + _used, rows, columns, stride);
        _used += elements;
        return tensor;
    }

    public override void Reset()
    {
        base.Reset();
        _chunk = 0;
        _used = 0;
    }

    public override void Dispose()
    {
        foreach (var chunk in _chunks)
            chunk.Dispose();
        base.Dispose();
    }

    /// <summary>Elements from the beginning of a row to that of the next.</summary>
    protected abstract int Stride(int columns);
}
