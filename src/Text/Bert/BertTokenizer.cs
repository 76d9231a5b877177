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

    /// <summary>The fewest tokens that hold a text: two special ones and one of its own.</summary>
    public const int FewestTokens = 3;

    /// <summary>The fewest tokens that hold a pair.</summary>
    public const int FewestPairTokens = 5;

    private readonly BasicTokenizer _basic;
    private readonly WordPieceTokenizer _pieces;
    private readonly AddedTokenFinder _added;
    private readonly HashSet<int> _others;
    private readonly Token _classifier;
    private readonly int _separatorId;

    /// <summary>Prepares a vocabulary.</summary>
    /// <param name="lowercase">Whether the model is uncased: folds case and strips accents.</param>
    /// <exception cref="VocabularyException">[UNK], [CLS] or [SEP] is missing.</exception>
    public BertTokenizer(Vocabulary vocabulary, bool lowercase = true)
        : this(vocabulary, new BertTokenizerOptions { Lowercase = lowercase })
    {
    }

    /// <summary>Prepares a vocabulary.</summary>
    /// <exception cref="VocabularyException">[UNK], [CLS] or [SEP] is missing, or an added token is empty.</exception>
    public BertTokenizer(Vocabulary vocabulary, BertTokenizerOptions options)
    {
        Vocabulary = vocabulary;
        Options = options;
        _basic = new(options);
        _others = [.. options.AddedTokens.Where(token => !token.IsPiece).Select(token => token.Id)];
        _pieces = new(vocabulary, vocabulary.GetId(UnknownToken), options.MaxWordCharacters, _others);
        _added = new(options.AddedTokens);
        _classifier = new(vocabulary.GetId(ClassifierToken), 0, TokenSource.Special, default);
        _separatorId = vocabulary.GetId(SeparatorToken);
    }

    public Vocabulary Vocabulary { get; }

    public BertTokenizerOptions Options { get; }

    public bool IsLowercase => Options.Lowercase;

    /// <summary>Writes vocab.txt: pieces of words, and empty lines for tokens that are added beside them.</summary>
    public void SaveVocabulary(Stream output) =>
        Vocabulary.OfFile(Vocabulary.Tokens.Select((token, id) => _others.Contains(id) ? "" : token)).Save(output);

    /// <summary>The words of a text, before they are split into pieces; no added tokens are found.</summary>
    public IReadOnlyList<string> Words(string text)
    {
        var normalized = new NormalizedText();
        _basic.Run(text, normalized);
        return [.. normalized.Words.Select(word => normalized.Characters[word.Start..word.End].ToString())];
    }

    /// <summary>The pieces of a text, without special tokens; marks like "[SEP]" in the text are just text.</summary>
    public IReadOnlyList<Token> Tokenize(string text, TokenSource source = TokenSource.Text)
    {
        var tokens = new List<Token>();
        var at = 0;
        while (_added.TryFind(text, at, out var added, out var span))
        {
            TokenizePart(text, new(at, span.Start), source, tokens);
            tokens.Add(new(added.Id, Type(source), source, span));
            at = span.End;
        }

        TokenizePart(text, new(at, text.Length), source, tokens);
        return tokens;
    }

    private static int Type(TokenSource source) => source == TokenSource.Pair ? 1 : 0;

    private void TokenizePart(string text, TextSpan part, TokenSource source, List<Token> tokens)
    {
        if (part.Start == part.End)
            return;
        var normalized = new NormalizedText();
        _basic.Run(text.AsSpan(part.Start, part.End - part.Start), normalized, part.Start);
        var ids = new List<int>();
        var parts = new List<TextSpan>();
        foreach (var word in normalized.Words)
        {
            ids.Clear();
            parts.Clear();
            _pieces.Run(normalized.Characters[word.Start..word.End], ids, parts);
            for (var i = 0; i < ids.Count; i++)
            {
                var span = normalized.Source(word.Start + parts[i].Start, word.Start + parts[i].End);
                tokens.Add(new(ids[i], Type(source), source, span));
            }
        }
    }

    /// <summary>A text, or a pair, with its special tokens.</summary>
    /// <param name="maxTokens">The most tokens, special ones included; at least
    /// <see cref="FewestTokens"/>, for a pair <see cref="FewestPairTokens"/>.</param>
    /// <exception cref="InvalidTextException">
    /// A text is empty, longer than <see cref="MaxTextLength"/>, or no Unicode; or there are too many tokens and
    /// truncation is <see cref="Truncation.Error"/>.
    /// </exception>
    public TokenSequence Encode(
        string text, string? pair = null, int maxTokens = 512, Truncation truncation = Truncation.Error)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, pair is null ? FewestTokens : FewestPairTokens);
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
