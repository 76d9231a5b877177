using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>Keys and values of tokens that a decoder has seen, in blocks of <see cref="BlockTokens"/>.</summary>
/// <remarks>A block has the same tokens in every layer.</remarks>
public sealed class KeyValueCache : DecoderCache
{
    public const int BlockTokens = 16;

    private readonly DeviceMemory _memory;
    private readonly List<Tensor> _keys = [];
    private readonly List<Tensor> _values = [];

    /// <param name="blocks">How many there are; their memory is taken at once.</param>
    public KeyValueCache(TensorBackend backend, Gpt2Config config, int blocks)
        : base(blocks)
    {
        _memory = new(backend);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            _keys.Add(_memory.Allocate(blocks * BlockTokens, config.Hidden));
            _values.Add(_memory.Allocate(blocks * BlockTokens, config.Hidden));
        }
    }

    public override long Bytes => _memory.Bytes;

    public override void Dispose() => _memory.Dispose();

    /// <summary>[Blocks * BlockTokens, hidden]</summary>
    internal Tensor Keys(int layer) => _keys[layer];

    /// <summary>[Blocks * BlockTokens, hidden]</summary>
    internal Tensor Values(int layer) => _values[layer];
}
