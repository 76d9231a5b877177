using System.Collections.Frozen;

namespace Serving.Text.Bert;

/// <summary>
/// Splits a word into the longest pieces in the vocabulary, from the left (Wu et al. 2016, sec. 4.1).
/// </summary>
internal sealed class WordPieceTokenizer
{
    /// <summary>What marks a piece that continues a word.</summary>
    public const string ContinuationPrefix = "##";

    private readonly FrozenDictionary<string, int> _first;
    private readonly FrozenDictionary<string, int> _continuations;
    private readonly int _longest;
    private readonly int _unknownId;
    private readonly int _maxWordCharacters;

    /// <param name="maxWordCharacters">A longer word is unknown.</param>
    /// <param name="others">Tokens that are no pieces of words.</param>
    public WordPieceTokenizer(
        Vocabulary vocabulary, int unknownId, int maxWordCharacters, IReadOnlySet<int> others)
    {
        var first = new Dictionary<string, int>(StringComparer.Ordinal);
        var continuations = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (others.Contains(id))
                continue;
            var token = vocabulary[id];
            if (token.Length > ContinuationPrefix.Length
                && token.StartsWith(ContinuationPrefix, StringComparison.Ordinal))
                continuations[token[ContinuationPrefix.Length..]] = id;
            first[token] = id; // Also a continuation: "##a" is what the word "##a" would match.
            _longest = Math.Max(_longest, token.Length);
        }

        _first = first.ToFrozenDictionary(StringComparer.Ordinal);
        _continuations = continuations.ToFrozenDictionary(StringComparer.Ordinal);
        _unknownId = unknownId;
        _maxWordCharacters = maxWordCharacters;
    }

    /// <summary>Appends the pieces of one word: their ids, and where they lie in it.</summary>
    public void Run(ReadOnlySpan<char> word, List<int> ids, List<TextSpan> parts)
    {
        var begin = ids.Count;
        if (!IsTooLong(word) && TrySplit(word, ids, parts))
            return;
        ids.RemoveRange(begin, ids.Count - begin);
        parts.RemoveRange(begin, parts.Count - begin);
        ids.Add(_unknownId);
        parts.Add(new(0, word.Length));
    }

    private bool TrySplit(ReadOnlySpan<char> word, List<int> ids, List<TextSpan> parts)
    {
        var lookup = _first.GetAlternateLookup<ReadOnlySpan<char>>();
        for (var start = 0; start < word.Length;)
        {
            var end = Math.Min(word.Length, start + _longest);
            var id = 0;
            while (end > start && !lookup.TryGetValue(word[start..end], out id))
                end--;
            if (end == start)
                return false;
            ids.Add(id);
            parts.Add(new(start, end));
            start = end;
            lookup = _continuations.GetAlternateLookup<ReadOnlySpan<char>>();
        }

        return true;
    }

    private bool IsTooLong(ReadOnlySpan<char> word)
    {
        if (word.Length <= _maxWordCharacters)
            return false;
        var characters = 0;
        foreach (var _ in word.EnumerateRunes())
            characters++;
        return characters > _maxWordCharacters;
    }
}
