using Serving.Text.Bert;

namespace Serving.Inference;

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

/// <summary>The result of one task.</summary>
/// <param name="Task">Its name.</param>
/// <param name="Version">The version that answered.</param>
/// <param name="Labels">The task's labels.</param>
/// <param name="Logits">A number for each label; the larger, the likelier.</param>
/// <param name="Probabilities">The softmax of the logits.</param>
public sealed record TaskScores(
    string Task, string Version, IReadOnlyList<string> Labels, float[] Logits, float[] Probabilities)
{
    /// <summary>BERT's pooled output under the task's mask, [hidden]; null unless it was asked for.</summary>
    public float[]? Pooled { get; init; }

    /// <summary>The label with the largest logit; of equals, the first.</summary>
    public string Label => Labels[Logits.AsSpan().IndexOf(Logits.Max())];
}

/// <summary>The answer to a request.</summary>
/// <param name="scores">One for each task, in the request's order.</param>
/// <param name="tokens">How many tokens the text had, special ones included.</param>
/// <param name="droppedTokens">How many truncation left out.</param>
public sealed class Classification(IReadOnlyList<TaskScores> scores, int tokens, int droppedTokens)
{
    private long _computedTicks;

    /// <summary>One for each task, in the request's order.</summary>
    public IReadOnlyList<TaskScores> Scores { get; } = scores;

    /// <summary>How many tokens the text had, special ones included.</summary>
    public int Tokens { get; } = tokens;

    /// <summary>How many tokens truncation left out.</summary>
    public int DroppedTokens { get; } = droppedTokens;

    /// <summary>How long the request waited.</summary>
    public TimeSpan Queued { get; internal set; }

    /// <summary>How long its batches ran.</summary>
    public TimeSpan Computed => new(Interlocked.Read(ref _computedTicks));

    internal void AddComputed(TimeSpan time) => Interlocked.Add(ref _computedTicks, time.Ticks);
}
