using Serving.Models.Gpt2;

namespace Serving.Inference.Generation;

/// <summary>Who has which blocks of a cache. What is promised to a sequence is there when it needs it.</summary>
/// <remarks>Not thread-safe: the lanes' lock is held.</remarks>
internal sealed class BlockPool
{
    private readonly Stack<int> _free;
    private readonly int _count;
    private int _promised;

    public BlockPool(int blocks)
    {
        _count = blocks;
        _free = new(Enumerable.Range(0, blocks).Reverse());
    }

    /// <summary>Tokens that can still be promised.</summary>
    public int FreeTokens => (_count - _promised) * KeyValueCache.BlockTokens;

    /// <summary>Blocks that hold tokens.</summary>
    public int Used => _count - _free.Count;

    /// <summary>Keeps what a sequence may come to need.</summary>
    public void Promise(DecodingSequence sequence) => _promised += sequence.Blocks;

    /// <summary>Gives a sequence blocks for what it has planned.</summary>
    public void Extend(DecodingSequence sequence)
    {
        while (sequence.Cache.Room < sequence.Cache.Tokens + sequence.Planned)
            sequence.Cache.AddBlock(_free.Pop());
    }

    /// <summary>Takes a sequence's blocks back, and its promise.</summary>
    public void Release(DecodingSequence sequence)
    {
        _promised -= sequence.Blocks;
        for (var i = 0; i < sequence.Cache.Blocks.Count; i++)
            _free.Push(sequence.Cache.Blocks[i]);
        sequence.Cache.Clear();
    }
}
