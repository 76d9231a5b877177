using Serving.Models.Bert;

namespace Serving.Inference.Classification;

/// <summary>What is wanted of a request's text under one set of masks, and where it goes: scores or vectors.</summary>
/// <param name="Task">Whose masks; null for the backbone as it is.</param>
/// <param name="Scores">Gets the scores of the task's head; null if vectors are wanted.</param>
/// <param name="Embedding">Gets the vectors; null if scores are wanted.</param>
internal readonly record struct PendingBranch(ResidentVersion? Task, TaskScores? Scores, EmbeddingResult? Embedding)
{
    /// <summary>What its vector is made of: of scores, what the task's head sees.</summary>
    public Pooling Pooling => Embedding?.Pooling ?? Task!.Task.Pooling;
}
