namespace Serving.Inference.Scheduling;

/// <summary>The queue is full; the request was not admitted and may be retried.</summary>
public sealed class QueueFullException(QueueRefusal refusal)
    : Exception($"The queue is full ({refusal.Requests} requests, {refusal.Tokens} tokens); retry later.")
{
    /// <summary>How long the queue will take.</summary>
    public TimeSpan RetryAfter { get; } = refusal.RetryAfter;
}

/// <summary>The engine is finishing what was admitted and takes nothing new.</summary>
public sealed class EngineClosedException(string message) : Exception(message);

/// <summary>A request's deadline passed while it waited; no forward pass was run for it.</summary>
public sealed class DeadlinePassedException(string message) : Exception(message);
