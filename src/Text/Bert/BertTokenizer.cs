using System.Buffers;
using System.Text;

namespace Serving.Text.Bert;

/// <summary>Turns texts into BERT's token ids. Thread-safe.</summary>
public sealed class BertTokenizer
{
    public const string UnknownToken = "[UNK]";
    public const string ClassifierToken = "[CLS]";
    public const string SeparatorToken = "[SEP]";
    public const string PaddingToken = "[PAD]";
    public const string MaskToken = "[MASK]";

    /// <summary>The longest text, in UTF-16 code units: far above what any model reads, far below what hurts.</summary>
    public const int MaxTextLength = 1 << 18;

    private readonly BasicTokenizer _basic;
    private readonly WordPieceTokenizer _pieces;
    private readonly Token _classifier;
    private readonly int _separatorId;

    /// <summary>Prepares a vocabulary.</summary>
    /// <param name="lowercase">Whether the model is uncased: folds case and strips accents.</param>
    /// <exception cref="VocabularyException">[UNK], [CLS] or [SEP] is missing.</exception>
    public BertTokenizer(Vocabulary vocabulary, bool lowercase = true)
    {
        Vocabulary = vocabulary;
        IsLowercase = lowercase;
        _basic = new(lowercase);
        _pieces = new(vocabulary, vocabulary.GetId(UnknownToken));
        _classifier = new(vocabulary.GetId(ClassifierToken), 0, TokenSource.Special, default);
        _separatorId = vocabulary.GetId(SeparatorToken);
    }

    public Vocabulary Vocabulary { get; }

    public bool IsLowercase { get; }

    /// <summary>The words of a text, as they are before they are split into pieces.</summary>
    public IReadOnlyList<string> Words(string text)
    {
        var normalized = new NormalizedText();
        _basic.Run(text, normalized);
        return [.. normalized.Words.Select(word => normalized.Characters[word.Start..word.End].ToString())];
    }

    /// <summary>The pieces of a text, without special tokens; marks like "[SEP]" in the text are just text.</summary>
    public IReadOnlyList<Token> Tokenize(string text, TokenSource source = TokenSource.Text)
    {
        var normalized = new NormalizedText();
        _basic.Run(text, normalized);
        var ids = new List<int>();
        var parts = new List<TextSpan>();
        var tokens = new List<Token>();
        foreach (var word in normalized.Words)
        {
            ids.Clear();
            parts.Clear();
            _pieces.Run(normalized.Characters[word.Start..word.End], ids, parts);
            for (var i = 0; i < ids.Count; i++)
            {
                var span = normalized.Source(word.Start + parts[i].Start, word.Start + parts[i].End);
                tokens.Add(new(ids[i], source == TokenSource.Pair ? 1 : 0, source, span));
            }
        }

        return tokens;
    }

    /// <summary>A text, or a pair, with its special tokens.</summary>
    /// <param name="maxTokens">The most tokens, special ones included; at least 3, for a pair 5.</param>
    /// <exception cref="InvalidTextException">
    /// A text is empty, longer than <see cref="MaxTextLength"/>, or no Unicode; or there are too many tokens and
    /// truncation is <see cref="Truncation.Error"/>.
    /// </exception>
    public TokenSequence Encode(
        string text, string? pair = null, int maxTokens = 512, Truncation truncation = Truncation.Error)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, pair is null ? 3 : 5);
        var first = TokenizeStrictly(text, "text", TokenSource.Text);
        var second = pair is null ? null : TokenizeStrictly(pair, "pair", TokenSource.Pair);
        var specialTokens = pair is null ? 2 : 3;
        var excess = first.Count + (second?.Count ?? 0) + specialTokens - maxTokens;
        if (excess > 0 && truncation == Truncation.Error)
        {
            throw new InvalidTextException(
                InvalidTextReason.TooLong,
                $"The text has {excess + maxTokens} tokens, {specialTokens} special ones among them; at most "
                + $"{maxTokens} fit. Shorten or split it, or ask for truncation.");
        }

        var (keptFirst, keptSecond) = Truncate(first.Count, second?.Count ?? 0, Math.Max(0, excess), truncation);
        var tokens = new List<Token>(keptFirst + keptSecond + specialTokens) { _classifier };
        var fromEnd = truncation == Truncation.Left;
        AddKept(first, keptFirst, fromEnd, tokens);
        tokens.Add(new(_separatorId, 0, TokenSource.Special, default));
        if (second is not null)
        {
            AddKept(second, keptSecond, fromEnd, tokens);
            tokens.Add(new(_separatorId, 1, TokenSource.Special, default));
        }

        return new(tokens, Math.Max(0, excess));
    }

    private static void AddKept(IReadOnlyList<Token> tokens, int kept, bool fromEnd, List<Token> output)
    {
        var begin = fromEnd ? tokens.Count - kept : 0;
        for (var i = begin; i < begin + kept; i++)
            output.Add(tokens[i]);
    }

    private static (int First, int Second) Truncate(int first, int second, int excess, Truncation truncation)
    {
        if (truncation == Truncation.Right)
        {
            var fromSecond = Math.Min(second, excess);
            return (first - (excess - fromSecond), second - fromSecond);
        }

        if (truncation == Truncation.Left)
        {
            var fromFirst = Math.Min(first, excess);
            return (first - fromFirst, second - (excess - fromFirst));
        }

        for (; excess > 0; excess--)
        {
            if (first > second)
                first--;
            else
                second--;
        }

        return (first, second);
    }

    private IReadOnlyList<Token> TokenizeStrictly(string text, string name, TokenSource source)
    {
        if (text.Length > MaxTextLength)
        {
            throw new InvalidTextException(
                InvalidTextReason.TooLong,
                $"The {name} has {text.Length} UTF-16 code units; at most {MaxTextLength} are taken. Split it.");
        }

        ThrowIfNotUnicode(text, name);
        var tokens = Tokenize(text, source);
        if (tokens.Count == 0)
        {
            throw new InvalidTextException(
                InvalidTextReason.Empty,
                text.Length == 0
                    ? $"The {name} is empty; at least one word is needed."
                    : $"The {name} has no words: its {text.Length} UTF-16 code units are whitespace and control "
                    + "characters only. At least one word is needed.");
        }

        return tokens;
    }

    private static void ThrowIfNotUnicode(string text, string name)
    {
        for (var at = 0; at < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(at), out _, out var length) != OperationStatus.Done)
            {
                throw new InvalidTextException(
                    InvalidTextReason.LoneSurrogate,
                    $"The {name} has half of a surrogate pair, U+{(int)text[at]:X4}, at index {at}; well-formed "
                    + "Unicode is needed. Replace or remove it.");
            }

            at += length;
        }
    }
}
