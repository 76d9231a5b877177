namespace Serving.Inference.Classification;

/// <summary>A task by name, and the version if not the active one.</summary>
public readonly record struct TaskReference(string Name, string? Version = null);

/// <summary>A text, or a pair, and the tasks to run on it.</summary>
public sealed record ClassificationRequest : TextRequest
{
    /// <summary>At least one.</summary>
    public required IReadOnlyList<TaskReference> Tasks { get; init; }
}
