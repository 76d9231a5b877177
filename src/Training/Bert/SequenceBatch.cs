using Serving.Tensors;
using Serving.Text.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Bert;

/// <summary>Sequences of a step, one after another.</summary>
public sealed class SequenceBatch
{
    /// <exception cref="ArgumentException">There is none.</exception>
    public SequenceBatch(IReadOnlyList<TokenSequence> sequences)
    {
        if (sequences.Count == 0)
            throw new ArgumentException("A batch needs at least one sequence.");
        var tokens = new List<TokenIds>();
        Offsets = new int[sequences.Count + 1];
        for (var i = 0; i < sequences.Count; i++)
        {
            for (var position = 0; position < sequences[i].Tokens.Count; position++)
                tokens.Add(new(sequences[i].Tokens[position].Id, position, sequences[i].Tokens[position].Type));
            Offsets[i + 1] = tokens.Count;
        }

        Tokens = [.. tokens];
    }

    public TokenIds[] Tokens { get; }

    /// <summary>Where each sequence begins, and the end of the last.</summary>
    public int[] Offsets { get; }

    public int Count => Offsets.Length - 1;

    /// <summary>[CLS] of each sequence.</summary>
    public SelectedRows FirstTokens => new(Offsets[..^1], [.. Enumerable.Range(0, Offsets.Length)]);

    public SelectedRows AllTokens => new([.. Enumerable.Range(0, Tokens.Length)], Offsets);

    /// <summary>Where each sequence begins and, next to it, its end.</summary>
    public int[] Spans => SpansOf(Offsets);

    /// <summary>Where each of some parts begins and, next to it, its end.</summary>
    /// <param name="offsets">Where each begins, and the end of the last.</param>
    public static int[] SpansOf(int[] offsets) =>
        [.. Enumerable.Range(0, offsets.Length - 1).SelectMany(i => offsets[i..(i + 2)])];
}
