using Serving.Decoding;
using Serving.Inference.Scheduling;

namespace Serving.Inference.Generation;

/// <summary>A beam in the decoder.</summary>
/// <remarks>
/// The first waits in the queue and joins with all others, for whose blocks there is room then. It reads the prompt;
/// the others share its full blocks. So does a beam that another one's text replaces, with what that has: what it has
/// behind its last full block, 15 tokens at most of a GPT-2, is computed again, in a step that memory limits all the
/// same. An LSTM's blocks are never full: it computes the whole text again.
/// </remarks>
internal sealed class BeamSequence(
    BeamAnswers answers, int slot, WorkItem item, string caller, int mostTokens, int blockTokens)
    : DecodingSequence(item, caller, mostTokens, blockTokens)
{
    public override bool IsUnit => slot == 0;

    public override IReadOnlyList<DecodingSequence> Others => IsUnit ? answers.Others : [];

    public override bool IsDone => answers.IsDone;

    public override bool Waits => !answers.Wants(slot);

    public override bool IsReplaced => answers.IsReplaced(slot);

    public override bool IsWriting => All.Length > answers.PromptTokens;

    protected override ReadOnlySpan<int> All => answers.TokensOf(slot);

    protected override int FirstWanted => All.Length - 1;

    public override void Restart()
    {
        base.Restart();
        answers.ForgetReplaced(slot);
    }

    public override void Take(Span<float> logits, SamplingWorkspace workspace) =>
        answers.Take(slot, logits, workspace);
}
