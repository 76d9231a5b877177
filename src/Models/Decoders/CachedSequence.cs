namespace Serving.Models.Decoders;

/// <summary>The blocks of one sequence, and how many tokens they hold.</summary>
/// <remarks>A forward pass appends its tokens. Blocks must have room for them before.</remarks>
/// <param name="blockTokens">Tokens of a block, see <see cref="Decoder.BlockTokens"/>.</param>
public sealed class CachedSequence(int blockTokens)
{
    private readonly List<int> _blocks = [];

    /// <summary>How many tokens they hold.</summary>
    public int Tokens { get; private set; }

    /// <summary>How many fit into its blocks.</summary>
    public int Room => _blocks.Count * blockTokens;

    public IReadOnlyList<int> Blocks => _blocks;

    /// <summary>Adds a block behind the others.</summary>
    /// <param name="block">0 to the cache's blocks - 1, written by no other sequence.</param>
    public void AddBlock(int block) => _blocks.Add(block);

    /// <summary>Adds a full block whose tokens another sequence has computed, at the same positions.</summary>
    /// <exception cref="InvalidOperationException">The sequence has tokens that fill no block.</exception>
    public void ShareBlock(int block)
    {
        if (Tokens != Room)
        {
            throw new InvalidOperationException(
                $"The sequence has {Tokens} tokens in blocks for {Room}; all blocks must be full.");
        }

        _blocks.Add(block);
        Tokens = Room;
    }

    /// <summary>Forgets tokens and blocks.</summary>
    public void Clear()
    {
        _blocks.Clear();
        Tokens = 0;
    }

    internal void Append(int tokens) => Tokens += tokens;
}
