using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>
/// A layer of a decoder: causal attention, then feed-forward, each behind a norm (Radford et al. 2019, sec. 2.3).
/// </summary>
/// <param name="QueryKeyValue">Queries, keys and values side by side, [3 hidden, hidden].</param>
/// <param name="AttentionOutput">[hidden, hidden]</param>
/// <param name="Intermediate">[inner, hidden]</param>
/// <param name="Output">[hidden, inner]</param>
/// <param name="Activation">GELU in one of its forms.</param>
public sealed record DecoderLayer(
    LayerNorm AttentionNorm, Linear QueryKeyValue, Linear AttentionOutput, LayerNorm FeedForwardNorm,
    Linear Intermediate, Linear Output, int Heads, Activation Activation)
{
    /// <param name="x">[tokens, hidden]</param>
    /// <param name="offsets">Where each sequence begins, and the end of the last.</param>
    /// <param name="trace">Sees each intermediate result under the name of the module that made it.</param>
    /// <returns>[tokens, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IndexBuffer offsets, DropoutKeys dropout, Action<string, Variable>? trace = null)
    {
        var normal = AttentionNorm.Forward(tape, x);
        trace?.Invoke(".ln_1", normal);
        var queryKeyValue = QueryKeyValue.Forward(tape, normal);
        trace?.Invoke(".attn.c_attn", queryKeyValue);
        var context = tape.SelfAttention(
            queryKeyValue, offsets, Heads, AttentionKind.Causal, dropout.Attention());
        trace?.Invoke(".attn.context", context);
        x = tape.DropoutAdd(AttentionOutput.Forward(tape, context), dropout.Hidden(), x);
        trace?.Invoke(".attn", x);
        normal = FeedForwardNorm.Forward(tape, x);
        trace?.Invoke(".ln_2", normal);
        var inner = Intermediate.Forward(tape, normal);
        inner = Activation == Activation.Gelu ? tape.Gelu(inner) : tape.GeluTanh(inner);
        trace?.Invoke(".mlp.act", inner);
        x = tape.DropoutAdd(Output.Forward(tape, inner), dropout.Hidden(), x);
        trace?.Invoke("", x);
        return x;
    }
}
