namespace Serving.Tensors;

/// <summary>Keys and values of sequences, which lie in blocks of rows, a sequence's blocks anywhere.</summary>
/// <param name="Keys">[blocks * BlockRows, hidden]: block i has the rows from i * BlockRows on.</param>
/// <param name="Values">[blocks * BlockRows, hidden]</param>
/// <param name="Blocks">The blocks of each sequence, one sequence after another.</param>
/// <param name="BlockOffsets">Where those of each sequence begin; one entry more than sequences.</param>
/// <param name="Counts">How many tokens of each sequence are there; they fill its blocks in order.</param>
/// <param name="BlockRows">Tokens of a block.</param>
public readonly record struct CachedKeys(
    Tensor Keys, Tensor Values, IndexBuffer Blocks, IndexBuffer BlockOffsets, IndexBuffer Counts, int BlockRows);
