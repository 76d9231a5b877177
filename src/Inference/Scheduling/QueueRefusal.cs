namespace Serving.Inference.Scheduling;

/// <summary>Why a queue has no place.</summary>
/// <param name="Requests">How many wait.</param>
/// <param name="Tokens">Their tokens, counted over branches.</param>
/// <param name="RetryAfter">How long the queue will take at its recent speed.</param>
public readonly record struct QueueRefusal(int Requests, int Tokens, TimeSpan RetryAfter);
