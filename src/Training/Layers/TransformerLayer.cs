using Serving.Tensors;
using Serving.Training.Autograd;

namespace Serving.Training.Layers;

/// <summary>A layer of an encoder: attention, then feed-forward (Vaswani et al. 2017, sec. 3.1).</summary>
public sealed record TransformerLayer(Attention Attention, FeedForward FeedForward)
{
    /// <param name="x">[tokens, hidden]</param>
    /// <param name="offsets">Where each sequence begins, and the end of the last.</param>
    /// <param name="masks">Null for none.</param>
    /// <param name="gates">Null for none.</param>
    /// <returns>[tokens, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IndexBuffer offsets, IWeightMasks? masks, DropoutKeys dropout, RowGates? gates = null)
    {
        x = Attention.Forward(tape, x, offsets, masks, dropout, gates);
        return FeedForward.Forward(tape, x, masks, dropout, gates);
    }

    /// <summary>Some rows only.</summary>
    /// <returns>[rows, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IndexBuffer offsets, SelectedRows selected, IWeightMasks? masks, DropoutKeys dropout,
        RowGates? gates = null)
    {
        x = Attention.Forward(tape, x, offsets, selected, masks, dropout, gates);
        return FeedForward.Forward(tape, x, masks, dropout, gates);
    }
}
