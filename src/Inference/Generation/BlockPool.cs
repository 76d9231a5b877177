namespace Serving.Inference.Generation;

/// <summary>Who has which blocks of a cache. What is promised to a sequence is there when it needs it.</summary>
/// <remarks>
/// Full blocks stay when their sequence leaves, as long as nobody needs the room; what was not used for longest goes
/// first. A sequence that begins with the same tokens shares them (<see cref="Prefixes"/>).
/// Not thread-safe: the lanes' lock is held.
/// </remarks>
internal sealed class BlockPool
{
    private readonly int _blockTokens;
    private readonly int[] _users;
    private readonly Stack<int> _free;
    private readonly Prefixes _prefixes;

    // Known blocks that no sequence has, those first that are to go first. Each block has its node.
    private readonly LinkedList<int> _idle = [];
    private readonly LinkedListNode<int>[] _nodes;
    private int _promised;

    /// <param name="blockTokens">Tokens of a block.</param>
    public BlockPool(int blocks, int blockTokens)
    {
        _blockTokens = blockTokens;
        _users = new int[blocks];
        _free = new(Enumerable.Range(0, blocks).Reverse());
        _prefixes = new(blocks, blockTokens);
        _nodes = [.. Enumerable.Range(0, blocks).Select(block => new LinkedListNode<int>(block))];
    }

    /// <summary>Tokens that can still be promised.</summary>
    public int FreeTokens => (_users.Length - _promised) * _blockTokens;

    /// <summary>Blocks that sequences have.</summary>
    public int Used => _users.Length - _free.Count - _idle.Count;

    /// <summary>Keeps what a sequence may come to need, as if it shared nothing.</summary>
    public void Promise(DecodingSequence sequence) => _promised += sequence.Blocks;

    /// <summary>Gives a sequence the blocks of its next tokens that are there already.</summary>
    public void Share(DecodingSequence sequence)
    {
        var cache = sequence.Cache;
        while (cache.Tokens == cache.Room && cache.Tokens + _blockTokens <= sequence.MostShared
            && _prefixes.TryFind(sequence.Prefix, sequence.Block(cache.Blocks.Count), out var block))
        {
            if (_users[block]++ == 0)
                _idle.Remove(_nodes[block]);
            cache.ShareBlock(block);
            sequence.NoteKnown(_prefixes.IdOf(block), isShared: true);
        }
    }

    /// <summary>Gives a sequence blocks for what it has planned.</summary>
    public void Extend(DecodingSequence sequence)
    {
        while (sequence.Cache.Room < sequence.Cache.Tokens + sequence.Planned)
        {
            var block = Take();
            _users[block] = 1;
            sequence.Cache.AddBlock(block);
        }
    }

    /// <summary>Makes the blocks known that a sequence has filled.</summary>
    public void NoteFilled(DecodingSequence sequence)
    {
        while ((sequence.KnownBlocks + 1) * _blockTokens <= sequence.Cache.Tokens)
        {
            var tokens = sequence.Block(sequence.KnownBlocks);
            var block = sequence.Cache.Blocks[sequence.KnownBlocks];
            var id = _prefixes.TryFind(sequence.Prefix, tokens, out var same)
                ? _prefixes.IdOf(same) // Another has computed the same beside it.
                : _prefixes.Add(block, sequence.Prefix, tokens);
            sequence.NoteKnown(id, isShared: false);
        }
    }

    /// <summary>Takes a sequence's blocks back, and its promise.</summary>
    public void Release(DecodingSequence sequence)
    {
        _promised -= sequence.Blocks;
        Restart(sequence);
    }

    /// <summary>Takes a sequence's blocks back; it keeps what it was promised.</summary>
    public void Restart(DecodingSequence sequence)
    {
        for (var i = sequence.Cache.Blocks.Count - 1; i >= 0; i--) // The end goes first: without it the rest is of use.
        {
            var block = sequence.Cache.Blocks[i];
            if (--_users[block] > 0)
                continue;
            if (_prefixes.Has(block))
                _idle.AddLast(_nodes[block]);
            else
                _free.Push(block);
        }

        sequence.Restart();
    }

    private int Take()
    {
        if (_free.TryPop(out var block))
            return block;
        block = _idle.First!.Value;
        _idle.RemoveFirst();
        _prefixes.Remove(block);
        return block;
    }
}
