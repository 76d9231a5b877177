namespace Serving.Decoding;

/// <summary>Makes tokens that were there less probable, whatever the sign of their logit.</summary>
internal sealed class RepetitionPenaltyPolicy(double penalty) : ILogitPolicy
{
    public void Apply(Span<float> logits, TokenHistory history)
    {
        foreach (var token in history.Counts.Keys)
        {
            var logit = logits[token];
            Logits.Set(ref logits[token], logit < 0 ? logit * penalty : logit / penalty);
        }
    }
}
