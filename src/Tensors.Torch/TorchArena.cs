namespace Serving.Tensors.Torch;

/// <summary>Cuts tensors from large chunks, one after another.</summary>
internal sealed class TorchArena(TorchBackend backend) : TensorArena(backend)
{
    private const int ChunkElements = 16 << 20; // 64 MiB
    private const int Alignment = 64; // Elements; CUDA's own allocations begin at multiples of 256 bytes, too.

    private readonly TorchBackend _backend = backend;
    private readonly List<Tensor> _chunks = [];
    private int _chunk;
    private long _used;

    public override Tensor Rent(int rows, int columns)
    {
        var elements = ((long)rows * columns + Alignment - 1) / Alignment * Alignment;
        while (_chunk < _chunks.Count && _used + elements > _chunks[_chunk].Columns)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
            _chunks.Add(_backend.Allocate(1, checked((int)Math.Max(ChunkElements, elements))));
        var tensor = new Tensor(_chunks[_chunk].Storage, _used, rows, columns, stride: columns);
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
}
