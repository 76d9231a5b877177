namespace Serving.Tensors.Cpu;

/// <summary>Cuts tensors from large chunks, one after another.</summary>
internal sealed class CpuArena(CpuBackend backend) : TensorArena(backend)
{
    private const int ChunkFloats = 16 << 20; // 64 MiB

    private readonly CpuBackend _backend = backend;
    private readonly List<Tensor> _chunks = [];
    private int _chunk;
    private long _used;

    public override Tensor Rent(int rows, int columns)
    {
        var stride = (int)CpuBackend.OddCacheLines(columns);
        var floats = (long)rows * stride;
        while (_chunk < _chunks.Count && _used + floats > _chunks[_chunk].Columns)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
            _chunks.Add(_backend.Allocate(1, (int)Math.Max(ChunkFloats, floats)));
        var chunk = _chunks[_chunk];
        var tensor = new Tensor(chunk.Storage, chunk.Offset + _used, rows, columns, stride);
        _used += floats;
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
}
