using Serving.Text.Bert;

namespace Serving.Inference.Classification;

/// <summary>A task by name, and the version if not the active one.</summary>
public readonly record struct TaskReference(string Name, string? Version = null);

/// <summary>A text, or a pair, and the tasks to run on it.</summary>
public sealed record ClassificationRequest
{
    public required string Text { get; init; }

    /// <summary>The second text; only for tasks that read pairs.</summary>
    public string? Pair { get; init; }

    /// <summary>At least one.</summary>
    public required IReadOnlyList<TaskReference> Tasks { get; init; }

    public Truncation Truncation { get; init; } = Truncation.Error;

    /// <summary>Whether the answer has the vectors that the tasks' heads see.</summary>
    public bool WantsPooled { get; init; }

    /// <summary>
    /// Whether the caller limits how many requests it sends at a time, as a stream does: such a request waits where
    /// others are rejected.
    /// </summary>
    public bool IsPaced { get; init; }

    /// <summary>Higher goes first.</summary>
    public int Priority { get; init; }

    /// <summary>The time after which an answer is of no use; null for never.</summary>
    public DateTimeOffset? Deadline { get; init; }
}
