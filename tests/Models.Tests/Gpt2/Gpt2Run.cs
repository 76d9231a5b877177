using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Tests.Decoders;
using Serving.Tensors;

namespace Serving.Models.Tests.Gpt2;

/// <summary>A GPT-2 whose intermediate results can be seen.</summary>
internal sealed class Gpt2Run(Gpt2Decoder decoder) : DecoderRun(decoder)
{
    private Action<string, Tensor>? _trace;

    /// <summary>Runs the next tokens of some sequences together.</summary>
    /// <param name="trace">Sees each intermediate result.</param>
    /// <returns>The logits of each sequence's tokens, [tokens, vocab].</returns>
    public float[][] Step(
        IReadOnlyList<(CachedSequence Sequence, int[] Tokens)> parts, Action<string, Tensor> trace)
    {
        _trace = trace;
        try
        {
            return Step(parts);
        }
        finally
        {
            _trace = null;
        }
    }

    protected override Tensor Forward(DecoderBatch batch, DecoderCache cache, DecoderWorkspace workspace) =>
        decoder.Forward(batch, (KeyValueCache)cache, (Gpt2Workspace)workspace, _trace);
}
