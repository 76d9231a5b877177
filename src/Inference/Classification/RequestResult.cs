namespace Serving.Inference.Classification;

/// <summary>The answer to a request, whatever was asked.</summary>
/// <param name="tokens">How many tokens the text had, special ones included.</param>
/// <param name="droppedTokens">How many truncation left out.</param>
public abstract class RequestResult(int tokens, int droppedTokens)
{
    private long _computedTicks;

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
