namespace Serving.Inference.Classification;

/// <summary>A request names a task, or a version of one, that is not loaded.</summary>
public sealed class UnknownTaskException(string message) : Exception(message);

/// <summary>A request does not have the texts that its task reads.</summary>
public sealed class TaskInputException(string message) : Exception(message);

/// <summary>The queue is full; the request was not admitted and may be retried.</summary>
/// <param name="retryAfter">How long the queue will take.</param>
public sealed class QueueFullException(string message, TimeSpan retryAfter) : Exception(message)
{
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>The engine is finishing what was admitted and takes nothing new.</summary>
public sealed class EngineClosedException(string message) : Exception(message);

/// <summary>A request's deadline passed while it waited; no forward pass was run for it.</summary>
public sealed class DeadlinePassedException(string message) : Exception(message);

/// <summary>A task's scores are no finite numbers.</summary>
public sealed class NonFiniteScoresException(string message) : Exception(message);
