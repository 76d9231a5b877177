using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>Self-attention with output layer, residual and norm (Vaswani et al. 2017, sec. 3.2.2; post-norm).</summary>
/// <param name="QueryKeyValue">Queries, keys and values side by side, [3 heads headDim, hidden].</param>
/// <param name="Output">[hidden, heads headDim]</param>
public sealed record Attention(Linear QueryKeyValue, Linear Output, LayerNorm Norm, int Heads)
{
    /// <summary>All heads together.</summary>
    private int Width => QueryKeyValue.OutFeatures / 3;

    /// <param name="x">[tokens, hidden]</param>
    /// <param name="offsets">Where each sequence begins, and the end of the last.</param>
    /// <param name="gates">Null for none.</param>
    /// <returns>[tokens, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IndexBuffer offsets, IWeightMasks? masks, DropoutKeys dropout, RowGates? gates = null)
    {
        var queryKeyValue = QueryKeyValue.Forward(tape, x, masks);
        var context = tape.SelfAttention(
            queryKeyValue, offsets, Heads, AttentionKind.Bidirectional, dropout.Attention());
        return Finish(tape, context, x, masks, dropout, gates);
    }

    /// <summary>Some rows only; they attend to all tokens of their sequence.</summary>
    /// <returns>[rows, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IndexBuffer offsets, SelectedRows selected, IWeightMasks? masks, DropoutKeys dropout,
        RowGates? gates = null)
    {
        var keyValue = QueryKeyValue.Forward(tape, x, Width, 2 * Width, masks);
        var rows = tape.GatherRows(x, tape.Indices(selected.Rows));
        var query = QueryKeyValue.Forward(tape, rows, 0, Width, masks);
        var context = tape.Attention(
            query, tape.Indices(selected.Offsets), keyValue, offsets, Heads, dropout.Attention());
        return Finish(tape, context, rows, masks, dropout, gates);
    }

    private Variable Finish(
        Tape tape, Variable context, Variable residual, IWeightMasks? masks, DropoutKeys dropout, RowGates? gates)
    {
        if (gates is { } gated)
            context = gated.Gates.Heads(tape, context, gated.Spans);
        return Norm.Forward(tape, tape.DropoutAdd(Output.Forward(tape, context, masks), dropout.Hidden(), residual));
    }
}
