using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Models.Lstm;

/// <summary>States of sequences, a block each.</summary>
public sealed class LstmStates : DecoderCache
{
    private readonly DeviceMemory _memory;
    private readonly List<(Tensor Hidden, Tensor Cell)> _layers = [];

    internal LstmStates(TensorBackend backend, LstmConfig config, int blocks)
        : base(blocks)
    {
        _memory = new(backend);
        for (var layer = 0; layer < config.Layers; layer++)
            _layers.Add((_memory.Allocate(blocks + 1, config.Hidden), _memory.Allocate(blocks + 1, config.Hidden)));
    }

    public override long Bytes => _memory.Bytes;

    /// <summary>Where a sequence that has no token yet finds its state: zeros, which nobody overwrites.</summary>
    internal int Beginning => Blocks;

    public override void Dispose() => _memory.Dispose();

    /// <summary>[Blocks + 1, hidden]</summary>
    internal Tensor Hidden(int layer) => _layers[layer].Hidden;

    /// <summary>[Blocks + 1, hidden]</summary>
    internal Tensor Cell(int layer) => _layers[layer].Cell;
}
