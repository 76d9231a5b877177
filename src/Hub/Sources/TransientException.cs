namespace Serving.Hub.Sources;

/// <summary>A source did not answer as it should, and may do so later. The message is a clause.</summary>
internal sealed class TransientException(string message) : Exception(message)
{
    /// <summary>When it wants to be asked again; null if it does not say.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether a few seconds won't change it: there is no network.</summary>
    public bool IsHopeless { get; init; }
}
