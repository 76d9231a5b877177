using Serving.Decoding;
using Serving.Inference.Scheduling;

namespace Serving.Inference.Generation;

/// <summary>A text that is scored: each token by the logits of the one before.</summary>
/// <param name="tokens">Context and text.</param>
/// <param name="result">What is filled.</param>
internal sealed class ScoredSequence(WorkItem item, string caller, int[] tokens, ScoreResult result, int blockTokens)
    : DecodingSequence(item, caller, tokens.Length - 1, blockTokens)
{
    private int _scored;

    public override bool IsDone => _scored == result.Tokens.Count;

    // What comes behind the last token is asked by nobody.
    protected override ReadOnlySpan<int> All => tokens.AsSpan(0, tokens.Length - 1);

    protected override int FirstWanted => result.ContextTokens - 1;

    public override void Take(Span<float> logits, SamplingWorkspace workspace)
    {
        var logSum = ModelProbabilities.Read(logits, top: 0, workspace);
        result.Set(_scored, logits[result.Tokens[_scored]] - logSum);
        _scored++;
    }
}
