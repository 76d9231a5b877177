using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>Linear layers with GELU between, residual and norm (Vaswani et al. 2017, sec. 3.3; post-norm).</summary>
/// <param name="Intermediate">[inner, hidden]</param>
/// <param name="Output">[hidden, inner]</param>
public sealed record FeedForward(Linear Intermediate, Linear Output, LayerNorm Norm)
{
    /// <param name="x">[rows, hidden]</param>
    /// <param name="gates">Null for none.</param>
    /// <returns>[rows, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IWeightMasks? masks, DropoutKeys dropout, RowGates? gates = null)
    {
        var output = Output.Forward(tape, tape.Gelu(Intermediate.Forward(tape, x, masks)), masks);
        if (gates is { } gated)
            output = gated.Gates.FeedForward(tape, output, gated.Spans);
        return Norm.Forward(tape, tape.DropoutAdd(output, dropout.Hidden(), x));
    }
}
