using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Pretraining;

/// <summary>Losses that compare a text's vector with those of the text behind it.</summary>
internal sealed class NeighborLosses(Tape tape, AuxiliaryHeads auxiliary)
{
    /// <summary>Which of the part's texts follows a text.</summary>
    /// <param name="scale">Of the gradient, see <see cref="CosineCrossEntropyLoss"/>.</param>
    /// <param name="totals">What the loss and right predictions are added to.</param>
    /// <returns>How many predictions there are.</returns>
    public int QuickThoughts(
        IReadOnlyList<PretrainingExample> examples, HiddenStates states, float scale, ObjectiveTotals totals)
    {
        var pairs = Pairs(examples);
        if (pairs.Count == 0)
            return 0;
        int[] left = [.. Enumerable.Range(0, pairs.Count)];
        int[] right = [.. Enumerable.Range(pairs.Count, pairs.Count)];
        var rows = states.At([.. pairs.Select(first => (first, 0)), .. pairs.Select(first => (first + 1, 0))]);
        tape.CosineCrossEntropy(
            auxiliary.Similarity(tape, Objective.QuickThoughts, rows), left, right, scale,
            totals.Loss(Objective.QuickThoughts), totals.Right(Objective.QuickThoughts));
        return pairs.Count;
    }

    /// <summary>How near a text's vector is to the tokens of its neighbor, both ways.</summary>
    /// <param name="scale">Of the gradient, see <see cref="CosineDistanceLoss"/>.</param>
    /// <param name="totals">What the loss and the cosines are added to.</param>
    /// <returns>How many predictions there are.</returns>
    public int FastSent(
        IReadOnlyList<PretrainingExample> examples, HiddenStates states, float scale, ObjectiveTotals totals)
    {
        var (rows, pairs) = (new List<(int Sequence, int Position)>(), new List<(int Left, int Right)>());
        foreach (var first in Pairs(examples))
        {
            for (var side = 0; side < 2; side++)
            {
                var text = rows.Count; // [CLS] of one side, then the tokens of the other.
                rows.Add((first + side, 0));
                for (var position = 1; position < states.Length(first + 1 - side) - 1; position++)
                {
                    pairs.Add((text, rows.Count));
                    rows.Add((first + 1 - side, position));
                }
            }
        }

        if (pairs.Count == 0)
            return 0;
        var similar = auxiliary.Similarity(tape, Objective.FastSent, states.At(rows));
        tape.CosineDistance(
            similar, [.. pairs.Select(pair => pair.Left)], [.. pairs.Select(pair => pair.Right)], scale,
            totals.Loss(Objective.FastSent), totals.Right(Objective.FastSent));
        return pairs.Count;
    }

    /// <summary>The index of the first sequence of each example with two.</summary>
    private static List<int> Pairs(IReadOnlyList<PretrainingExample> examples)
    {
        var (pairs, at) = (new List<int>(), 0);
        foreach (var example in examples)
        {
            if (example.Sequences.Count == 2)
                pairs.Add(at);
            at += example.Sequences.Count;
        }

        return pairs;
    }
}
