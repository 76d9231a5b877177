namespace Serving.Decoding;

/// <summary>Subtracts from the logits of tokens that were there: for each time, and once.</summary>
internal sealed class CountPenaltyPolicy(double frequency, double presence) : ILogitPolicy
{
    public void Apply(Span<float> logits, TokenHistory history)
    {
        foreach (var (token, count) in history.Counts)
            Logits.Set(ref logits[token], logits[token] - (count * frequency) - presence);
    }
}
