namespace Serving.Inference.Generation;

/// <summary>Divides a step among the sequences that run.</summary>
/// <remarks>
/// Each gets what it has left, or an equal share of what those with less leave: generated tokens go on in every step,
/// and of prompts the short ones don't wait for the long ones. Beside generated tokens there are few of prompts.
/// </remarks>
internal sealed class StepPlanner(GenerationOptions options)
{
    private readonly Comparison<DecodingSequence> _leastLeft = static (a, b) => a.Left.CompareTo(b.Left);

    /// <summary>Plans a step; blocks are handed out for it.</summary>
    /// <param name="running">Those that could be in it.</param>
    /// <param name="sequences">Gets those that are.</param>
    public void Plan(List<DecodingSequence> running, List<DecodingSequence> sequences, BlockPool blocks)
    {
        sequences.Clear();
        foreach (var sequence in running)
        {
            if (sequence.Waits)
                continue;
            blocks.Share(sequence);
            sequences.Add(sequence);
        }

        sequences.Sort(_leastLeft);
        var tokens = TokensOf(running, sequences);
        var rows = options.MaxLogitRows;
        for (var i = 0; i < sequences.Count; i++)
        {
            var sequence = sequences[i];
            var sharers = sequences.Count - i;
            sequence.Plan(tokens / sharers, rows / sharers);
            blocks.Extend(sequence);
            tokens -= sequence.Planned;
            rows -= sequence.RowCount;
        }
    }

    /// <summary>How many tokens a step of some sequences has at most: one of each at least.</summary>
    /// <param name="running">Those that wait among them: the next token of a beam is held up by others' prompts, too.
    /// </param>
    private int TokensOf(List<DecodingSequence> running, List<DecodingSequence> sequences)
    {
        var isWriting = false;
        foreach (var sequence in running)
            isWriting |= sequence.IsWriting;
        if (!isWriting)
            return options.MaxStepTokens;
        var (written, prompts) = (0, 0);
        foreach (var sequence in sequences)
        {
            if (sequence.IsWriting)
                written += sequence.Left; // One, or what a beam computes again.
            else
                prompts++;
        }

        return Math.Min(options.MaxStepTokens, written + Math.Max(options.MaxPromptTokensBeside, prompts));
    }
}
