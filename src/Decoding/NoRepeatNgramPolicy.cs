namespace Serving.Decoding;

/// <summary>Bans the tokens that would complete an n-gram that was there; none if no other is left.</summary>
internal sealed class NoRepeatNgramPolicy(int size) : ILogitPolicy
{
    private readonly List<(int Token, float Logit)> _banned = [];

    public void Apply(Span<float> logits, TokenHistory history)
    {
        var tokens = history.Counted;
        if (tokens.Length < size)
            return;
        _banned.Clear();
        var prefix = tokens[(tokens.Length - size + 1)..];
        for (var at = 0; at <= tokens.Length - size; at++)
        {
            var token = tokens[at + size - 1];
            if (logits[token] == float.NegativeInfinity || !tokens.Slice(at, size - 1).SequenceEqual(prefix))
                continue;
            _banned.Add((token, logits[token]));
            logits[token] = float.NegativeInfinity;
        }

        if (_banned.Count == 0 || logits.ContainsAnyExcept(float.NegativeInfinity))
            return;
        foreach (var (token, logit) in _banned)
            logits[token] = logit;
    }
}
