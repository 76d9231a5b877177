namespace Serving.Decoding;

/// <summary>Bans stop tokens until there are so many others.</summary>
internal sealed class MinTokensPolicy(int minTokens, IReadOnlyList<int> stopTokens) : ILogitPolicy
{
    private readonly int[] _stopTokens = [.. stopTokens];

    public void Apply(Span<float> logits, TokenHistory history)
    {
        if (history.Generated >= minTokens)
            return;
        foreach (var token in _stopTokens)
            logits[token] = float.NegativeInfinity;
    }
}
