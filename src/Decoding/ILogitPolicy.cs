namespace Serving.Decoding;

/// <summary>Changes logits of single tokens by what the sequence has so far; -infinity bans a token.</summary>
internal interface ILogitPolicy
{
    /// <param name="logits">[vocab]</param>
    void Apply(Span<float> logits, TokenHistory history);
}

/// <summary>Takes tokens away from those that can be drawn; at least one stays.</summary>
internal interface ICandidatePolicy
{
    void Apply(Candidates candidates);
}

/// <summary>Changes that keep a logit finite; a banned one stays banned.</summary>
internal static class Logits
{
    public static void Set(ref float logit, double value)
    {
        if (float.IsFinite(logit))
            logit = (float)Math.Clamp(value, float.MinValue, float.MaxValue);
    }
}
