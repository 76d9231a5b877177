namespace Serving.Inference.Scheduling;

/// <summary>How much waits, or how much more may.</summary>
/// <param name="Requests">How many.</param>
/// <param name="Tokens">Their tokens, counted over branches.</param>
internal readonly record struct QueueLoad(int Requests, int Tokens)
{
    public static QueueLoad operator +(QueueLoad a, QueueLoad b) => new(a.Requests + b.Requests, a.Tokens + b.Tokens);

    public static QueueLoad operator -(QueueLoad a, QueueLoad b) => new(a.Requests - b.Requests, a.Tokens - b.Tokens);
}
