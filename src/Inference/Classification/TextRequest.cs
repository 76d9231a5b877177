using Serving.Text.Bert;

namespace Serving.Inference.Classification;

/// <summary>A text, or a pair, and how it is to be run.</summary>
public abstract record TextRequest
{
    public required string Text { get; init; }

    /// <summary>The second text; of tasks, only for those that read pairs.</summary>
    public string? Pair { get; init; }

    public Truncation Truncation { get; init; } = Truncation.Error;

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
