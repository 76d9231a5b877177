namespace Serving.Decoding;

/// <summary>The tokens of a sequence so far, and how often each was there as far as penalties count.</summary>
internal sealed class TokenHistory
{
    private static readonly Dictionary<int, int> None = [];

    private readonly int[] _tokens;
    private readonly int _firstCounted;
    private readonly Dictionary<int, int>? _counts;

    /// <param name="prompt">What the sequence begins with; may be empty.</param>
    /// <param name="vocab">How many tokens the model has.</param>
    /// <param name="contextTokens">The most tokens that it will have.</param>
    public TokenHistory(SamplingOptions options, ReadOnlySpan<int> prompt, int vocab, int contextTokens)
    {
        _tokens = new int[Math.Min((long)prompt.Length + options.MaxTokens, contextTokens)];
        PromptTokens = prompt.Length;
        _firstCounted = options.PenalizePrompt ? 0 : prompt.Length;
        if (options.CountsTokens)
            _counts = new(Math.Min(vocab, _tokens.Length - _firstCounted));
        foreach (var token in prompt)
            Append(token);
    }

    public int PromptTokens { get; }

    /// <summary>How many tokens came behind the prompt.</summary>
    public int Generated => Count - PromptTokens;

    public int Count { get; private set; }

    /// <summary>Whether no token fits in any more.</summary>
    public bool IsFull => Count == _tokens.Length;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>Those that penalties see: all, or those behind the prompt.</summary>
    public ReadOnlySpan<int> Counted => _tokens.AsSpan(_firstCounted, Count - _firstCounted);

    /// <summary>How often each of the counted tokens was there; empty if no penalty asks.</summary>
    public Dictionary<int, int> Counts => _counts ?? None;

    /// <summary>Becomes another history of the same prompt and options.</summary>
    public void CopyFrom(TokenHistory other)
    {
        other.Tokens.CopyTo(_tokens);
        Count = other.Count;
        if (_counts is null)
            return;
        _counts.Clear();
        foreach (var (token, count) in other.Counts)
            _counts.Add(token, count);
    }

    public void Append(int token)
    {
        if (_counts is not null && Count >= _firstCounted)
            _counts[token] = _counts.GetValueOrDefault(token) + 1;
        _tokens[Count++] = token;
    }
}
