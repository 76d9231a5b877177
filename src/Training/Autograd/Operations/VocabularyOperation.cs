using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>The output layer over a vocabulary, without all of its logits in memory at once.</summary>
/// <remarks>
/// A step has thousands of tokens and a vocabulary tens of thousands of entries: logits and their gradient would take
/// more memory than everything else. Each part's gradients are taken before the next part's logits are computed.
/// </remarks>
public static class VocabularyOperation
{
    /// <summary>Rows whose logits are there at once: enough that packing the weight costs little beside the product.
    /// </summary>
    public const int RowsAtOnce = 512;

    /// <summary>Computes logits and their loss, whose gradients flow back from here.</summary>
    /// <param name="hidden">[rows, hidden]; it has this loss alone.</param>
    /// <param name="weight">[vocab, hidden]; trained, or nothing is.</param>
    /// <param name="loss">
    /// Gets logits [some rows, vocab] and the number of their first row, and puts the gradient in their place.
    /// </param>
    public static void VocabularyLoss(this Tape tape, Variable hidden, Weight weight, Action<Tensor, int> loss)
    {
        var gradient = tape.LossGradientOf(hidden);
        tape.ForEachPart(hidden, weight, (logits, first) =>
        {
            loss(logits, first);
            tape.Multiply(
                logits, weight.Value, Transposed.Neither, default, default, accumulate: false,
                gradient.Slice(first, logits.Rows));
            tape.Multiply(
                logits, hidden.Value.Slice(first, logits.Rows), Transposed.Left, default, default, accumulate: true,
                weight.Gradient);
        });
    }

    /// <summary>Computes logits that nothing learns from.</summary>
    /// <param name="hidden">[rows, hidden]</param>
    /// <param name="weight">[vocab, hidden]</param>
    /// <param name="read">Gets logits [some rows, vocab], which it may overwrite, and the number of their first row.
    /// </param>
    public static void VocabularyLogits(this Tape tape, Variable hidden, Weight weight, Action<Tensor, int> read) =>
        tape.ForEachPart(hidden, weight, read);

    private static void ForEachPart(this Tape tape, Variable hidden, Weight weight, Action<Tensor, int> use)
    {
        var rows = hidden.Value.Rows;
        var room = tape.Rent(Math.Min(rows, RowsAtOnce), weight.Value.Rows);
        for (var first = 0; first < rows; first += RowsAtOnce)
        {
            var count = Math.Min(RowsAtOnce, rows - first);
            var logits = room.Slice(0, count);
            tape.Multiply(
                hidden.Value.Slice(first, count), weight.Value, Transposed.Right, default, default, accumulate: false,
                logits);
            use(logits, first);
        }
    }
}
