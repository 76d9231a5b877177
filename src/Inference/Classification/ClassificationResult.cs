namespace Serving.Inference.Classification;

/// <summary>What tasks say of a text.</summary>
/// <param name="scores">One for each task, in the request's order.</param>
public sealed class ClassificationResult(IReadOnlyList<TaskScores> scores, int tokens, int droppedTokens)
    : RequestResult(tokens, droppedTokens)
{
    /// <summary>One for each task, in the request's order.</summary>
    public IReadOnlyList<TaskScores> Scores { get; } = scores;
}
