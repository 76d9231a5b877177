namespace Serving.Inference.Generation;

/// <summary>Full blocks by what they hold: their tokens, and all tokens before them.</summary>
/// <remarks>
/// What stands before a block is known by a number that no other content gets, so that two blocks are the same only if
/// all their tokens are; hashes alone decide nothing. Allocates nothing on the managed heap once a block was known.
/// </remarks>
internal sealed class Prefixes
{
    /// <summary>The number of nothing: what stands before a first block.</summary>
    public const long Empty = 0;

    private readonly Contents _contents;
    private readonly HashSet<int> _known;
    private readonly HashSet<int>.AlternateLookup<Probe> _lookup;
    private long _lastId = Empty;

    public Prefixes(int blocks, int blockTokens)
    {
        _contents = new(blocks, blockTokens);
        _known = new(blocks, _contents);
        _lookup = _known.GetAlternateLookup<Probe>();
    }

    /// <summary>Whether a block is known.</summary>
    public bool Has(int block) => _contents.Ids[block] != Empty;

    /// <summary>The number of what a known block ends with: its tokens, and all before them.</summary>
    public long IdOf(int block) => _contents.Ids[block];

    /// <summary>A block with some tokens behind some others.</summary>
    /// <param name="before">The number of what stands before.</param>
    public bool TryFind(long before, ReadOnlySpan<int> tokens, out int block) =>
        _lookup.TryGetValue(new(before, tokens), out block);

    /// <summary>Makes a block known whose contents no other block has.</summary>
    /// <returns>Its number.</returns>
    public long Add(int block, long before, ReadOnlySpan<int> tokens)
    {
        _contents.Before[block] = before;
        tokens.CopyTo(_contents.Tokens(block));
        _contents.Ids[block] = ++_lastId;
        _known.Add(block);
        return _lastId;
    }

    /// <summary>Forgets a block. Those behind it are found no more; their room is used in its turn.</summary>
    public void Remove(int block)
    {
        _known.Remove(block);
        _contents.Ids[block] = Empty;
    }

    private readonly ref struct Probe(long before, ReadOnlySpan<int> tokens)
    {
        public long Before { get; } = before;

        public ReadOnlySpan<int> Tokens { get; } = tokens;
    }

    /// <summary>What blocks hold, by which they are equal.</summary>
    private sealed class Contents(int blocks, int blockTokens)
        : IEqualityComparer<int>, IAlternateEqualityComparer<Probe, int>
    {
        private int[]? _tokens; // Where blocks are never full, there is none.

        public long[] Before { get; } = new long[blocks];

        public long[] Ids { get; } = new long[blocks];

        public Span<int> Tokens(int block) =>
            (_tokens ??= new int[blocks * blockTokens]).AsSpan(block * blockTokens, blockTokens);

        public bool Equals(int one, int other) => Equals(Of(one), other);

        public bool Equals(Probe probe, int block) =>
            probe.Before == Before[block] && probe.Tokens.SequenceEqual(Tokens(block));

        public int GetHashCode(int block) => GetHashCode(Of(block));

        public int GetHashCode(Probe probe)
        {
            var hash = new HashCode();
            hash.Add(probe.Before);
            foreach (var token in probe.Tokens)
                hash.Add(token);
            return hash.ToHashCode();
        }

        public int Create(Probe probe) => throw new NotSupportedException("A block is not made of its contents.");

        private Probe Of(int block) => new(Before[block], Tokens(block));
    }
}
