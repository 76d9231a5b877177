using Serving.Decoding;
using Serving.Text.Bpe;

namespace Serving.Inference.Generation;

/// <summary>An answer's text as its tokens come: whole characters, up to the first stop string.</summary>
/// <remarks>A token's log-probability is held back with its text, so that neither gives away a stop string.</remarks>
internal sealed class AnswerText(BpeTokenizer tokenizer, IReadOnlyList<string> stops)
{
    private static readonly IReadOnlyList<AnswerToken> NoTokens = [];

    private readonly IncrementalDecoder _decoder = new(tokenizer);
    private readonly StopFilter _filter = new(stops);
    private readonly Queue<(AnswerToken Token, long End)> _held = [];
    private string _ready = "";
    private long _decoded; // Characters of all tokens.
    private long _released; // Of them, those that were let through.

    public bool IsStopped => _filter.IsStopped;

    /// <summary>Whether there is something to take.</summary>
    public bool HasReady => _ready.Length > 0 || (_held.TryPeek(out var next) && next.End <= _released);

    /// <param name="logProbability">Null if nobody wants it.</param>
    /// <param name="top">Copied.</param>
    public void Append(int token, double? logProbability, ReadOnlySpan<TokenLogProbability> top)
    {
        // Models may have more ids than their tokenizer; those stand for nothing.
        var text = token < tokenizer.Vocabulary.Count ? _decoder.Append(token) : "";
        _decoded += text.Length;
        if (logProbability is { } known)
            _held.Enqueue((new(token, known, [.. top]), _decoded + (_decoder.IsInsideCharacter ? 1 : 0)));
        Release(_filter.Append(text));
    }

    /// <summary>Lets through what is held back at the end, unless it belongs to a stop string.</summary>
    public void Finish()
    {
        if (IsStopped)
            return;
        var rest = _decoder.Finish();
        _decoded += rest.Length;
        Release(_filter.Append(rest));
        if (!IsStopped)
            Release(_filter.Finish());
    }

    /// <summary>The text since the last call.</summary>
    public string TakeText()
    {
        var text = _ready;
        _ready = "";
        return text;
    }

    /// <summary>The tokens since the last call whose text was let through to its end.</summary>
    public IReadOnlyList<AnswerToken> TakeTokens()
    {
        if (!_held.TryPeek(out var next) || next.End > _released)
            return NoTokens;
        var tokens = new List<AnswerToken>();
        while (_held.TryPeek(out next) && next.End <= _released)
            tokens.Add(_held.Dequeue().Token);
        return tokens;
    }

    private void Release(string text)
    {
        _released += text.Length;
        _ready = _ready.Length == 0 ? text : _ready + text;
    }
}
