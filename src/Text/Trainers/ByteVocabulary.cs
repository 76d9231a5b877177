using Serving.Text.Bpe;

namespace Serving.Text.Trainers;

/// <summary>A vocabulary in the making: the 256 bytes, other tokens, and the end of text.</summary>
internal sealed class ByteVocabulary
{
    private const int ByteCount = 256;

    private readonly int _size;
    private readonly List<string> _tokens =
        [.. Enumerable.Range(0, ByteCount).Select(value => ByteAlphabet.ToCharacter((byte)value).ToString())];
    private readonly HashSet<string> _known;

    /// <param name="size">The most tokens.</param>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public ByteVocabulary(int size)
    {
        if (size <= ByteCount)
        {
            throw new VocabularyException(
                $"A vocabulary of {size} tokens was asked for; at least {ByteCount + 1} are needed, for the bytes and "
                + "the end of text.");
        }

        _size = size;
        _known = new(_tokens, StringComparer.Ordinal);
    }

    /// <summary>Whether so many more tokens fit, the end of text behind them.</summary>
    public bool HasRoom(int count) => _tokens.Count + count < _size;

    /// <summary>Adds a token in the byte alphabet, unless it is there.</summary>
    public void Add(string token)
    {
        if (_known.Add(token))
            _tokens.Add(token);
    }

    public bool Contains(string token) => _known.Contains(token);

    /// <summary>All tokens, and the end of text.</summary>
    public Vocabulary Finish() => new([.. _tokens, BpeTrainer.EndOfText]);

    /// <summary>Words and how often they come, in the order of their text.</summary>
    public static SortedDictionary<string, long> CountWords(IEnumerable<string> texts)
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            for (var rest = text.AsSpan(); rest.Length > 0;)
            {
                var length = WordSplitter.FirstWord(rest);
                var word = rest[..length].ToString();
                counts[word] = counts.GetValueOrDefault(word) + 1;
                rest = rest[length..];
            }
        }

        return counts;
    }
}
