using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>Keys and values of tokens that a decoder has seen, in blocks of <see cref="BlockTokens"/>.</summary>
/// <remarks>
/// A block has the same tokens in every layer. Which sequence has which blocks is in <see cref="CachedSequence"/>; who
/// owns the cache hands them out. A block can be in several sequences that begin alike.
/// </remarks>
public sealed class KeyValueCache : IDisposable
{
    public const int BlockTokens = 16;

    private readonly DeviceMemory _memory;
    private readonly List<Tensor> _keys = [];
    private readonly List<Tensor> _values = [];

    /// <param name="blocks">How many there are; their memory is taken at once.</param>
    public KeyValueCache(TensorBackend backend, Gpt2Config config, int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        Blocks = blocks;
        _memory = new(backend);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            _keys.Add(_memory.Allocate(blocks * BlockTokens, config.Hidden));
            _values.Add(_memory.Allocate(blocks * BlockTokens, config.Hidden));
        }
    }

    public int Blocks { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>How many blocks so many tokens take.</summary>
    public static int BlocksOf(int tokens) => (tokens + BlockTokens - 1) / BlockTokens;

    public void Dispose() => _memory.Dispose();

    /// <summary>[Blocks * BlockTokens, hidden]</summary>
    internal Tensor Keys(int layer) => _keys[layer];

    /// <summary>[Blocks * BlockTokens, hidden]</summary>
    internal Tensor Values(int layer) => _values[layer];
}
