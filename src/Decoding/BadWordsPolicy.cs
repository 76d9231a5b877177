namespace Serving.Decoding;

/// <summary>Bans the token that would complete one of some sequences.</summary>
internal sealed class BadWordsPolicy(IReadOnlyList<IReadOnlyList<int>> words) : ILogitPolicy
{
    private readonly int[][] _words = [.. words.Select(word => word.ToArray())];

    public void Apply(Span<float> logits, TokenHistory history)
    {
        foreach (var word in _words)
        {
            if (history.Tokens.EndsWith(word.AsSpan(0, word.Length - 1)))
                logits[word[^1]] = float.NegativeInfinity;
        }
    }
}
