namespace Serving.Decoding;

/// <summary>Adds to the logits of some tokens.</summary>
internal sealed class LogitBiasPolicy(IReadOnlyDictionary<int, double> bias) : ILogitPolicy
{
    private readonly (int Token, double Bias)[] _bias = [.. bias.Select(pair => (pair.Key, pair.Value))];

    public void Apply(Span<float> logits, TokenHistory history)
    {
        foreach (var (token, added) in _bias)
            Logits.Set(ref logits[token], logits[token] + added);
    }
}
