using Serving.Tensors;

namespace Serving.Training.Decoders;

/// <summary>Sequences of token ids, one after another.</summary>
public sealed class TokenBatch
{
    /// <exception cref="ArgumentException">There is none, or one is empty.</exception>
    public TokenBatch(IReadOnlyList<ReadOnlyMemory<int>> sequences)
    {
        if (sequences.Count == 0 || sequences.Any(sequence => sequence.IsEmpty))
            throw new ArgumentException("A batch needs at least one sequence, and each at least one token.");
        Offsets = new int[sequences.Count + 1];
        for (var i = 0; i < sequences.Count; i++)
            Offsets[i + 1] = Offsets[i] + sequences[i].Length;
        Tokens = new TokenIds[Offsets[^1]];
        for (var i = 0; i < sequences.Count; i++)
        {
            var ids = sequences[i].Span;
            for (var position = 0; position < ids.Length; position++)
                Tokens[Offsets[i] + position] = new(ids[position], position, 0);
        }
    }

    /// <summary>Each with its position in its sequence.</summary>
    public TokenIds[] Tokens { get; }

    /// <summary>Where each sequence begins, and the end of the last.</summary>
    public int[] Offsets { get; }
}
