using Serving.Tensors;

namespace Serving.Training.Autograd;

/// <summary>Memory for the tensors of one step: rented one by one, released all at once.</summary>
internal sealed class Arena(TensorBackend backend) : IDisposable
{
    private const int ChunkFloats = 16 << 20; // 64 MiB
    private const int FloatsPerCacheLine = 16;

    private readonly List<Tensor> _chunks = [];
    private int _chunk;
    private long _used;

    /// <summary>A tensor that holds whatever was there before.</summary>
    public Tensor Rent(int rows, int columns)
    {
        // An odd number of cache lines, as backends allocate.
        var stride = (((columns + FloatsPerCacheLine - 1) / FloatsPerCacheLine) | 1) * FloatsPerCacheLine;
        var floats = (long)rows * stride;
        while (_chunk < _chunks.Count && _used + floats > _chunks[_chunk].Columns)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
            _chunks.Add(backend.Allocate(1, (int)Math.Max(ChunkFloats, floats)));
        var chunk = _chunks[_chunk];
        var tensor = new Tensor(chunk.Storage, chunk.Offset + _used, rows, columns, stride);
        _used += floats;
        return tensor;
    }

    /// <summary>Ends the life of all tensors that were rented.</summary>
    public void Reset()
    {
        _chunk = 0;
        _used = 0;
    }

    public void Dispose()
    {
        foreach (var chunk in _chunks)
            chunk.Dispose();
    }
}
