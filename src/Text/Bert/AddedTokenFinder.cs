using System.Buffers;

namespace Serving.Text.Bert;

/// <summary>Finds added tokens in a text: the leftmost first, and of those the longest.</summary>
internal sealed class AddedTokenFinder
{
    private readonly AddedToken[] _longestFirst;
    private readonly SearchValues<string> _contents;

    /// <exception cref="VocabularyException">A token is empty or there twice.</exception>
    public AddedTokenFinder(IReadOnlyList<AddedToken> tokens)
    {
        _longestFirst = [.. tokens.OrderByDescending(token => token.Content.Length)];
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in tokens)
        {
            if (token.Content.Length == 0 || !seen.Add(token.Content))
            {
                throw new VocabularyException(
                    $"The added token '{token.Content}' is empty or there twice; each is needed once.");
            }
        }

        _contents = SearchValues.Create([.. tokens.Select(token => token.Content)], StringComparison.Ordinal);
    }

    /// <summary>The next token from a place on.</summary>
    /// <param name="from">Where to begin, in UTF-16 code units.</param>
    /// <param name="span">Where it lies.</param>
    public bool TryFind(string text, int from, out AddedToken token, out TextSpan span)
    {
        token = null!;
        span = default;
        if (_longestFirst.Length == 0)
            return false;
        var at = text.AsSpan(from).IndexOfAny(_contents);
        if (at < 0)
            return false;
        var rest = text.AsSpan(from + at);
        foreach (var candidate in _longestFirst)
        {
            if (!rest.StartsWith(candidate.Content, StringComparison.Ordinal))
                continue;
            token = candidate;
            span = new(from + at, from + at + candidate.Content.Length);
            return true;
        }

        return false;
    }
}
