namespace Serving.Inference.Generation;

/// <summary>Best-of: holds answers to a prompt until all are there, and gives the most probable ones.</summary>
/// <remarks>By the mean of their tokens' log-probabilities; of equal ones the earlier.</remarks>
/// <param name="drawn">How many there will be.</param>
/// <param name="wanted">How many are given.</param>
internal sealed class AnswerChoice(PendingGeneration request, int drawn, int wanted)
{
    private readonly List<GenerationPart> _complete = [];

    /// <param name="answer">Complete, with its score.</param>
    public void Add(GenerationPart answer)
    {
        _complete.Add(answer);
        if (_complete.Count < drawn)
            return;
        var best = _complete.OrderByDescending(part => part.End!.Score).ThenBy(part => part.Answer).Take(wanted);
        foreach (var (place, part) in best.Index())
            request.Write(part with { Answer = place });
    }
}
