using FsCheck;
using FsCheck.Fluent;
using Serving.Text.Bert;

namespace Serving.Text.Tests.Bert;

public sealed class BertTokenizerTests
{
    private static readonly Vocabulary Letters = new(
    [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "ab", "##bc", ",", "[",
        "]", "sep",
        "é", "i", "σ", "ς", "##σ", "##ς", "ο", "##ο", "博", "豈", "ᄒ", "##ᅡ", "##ᆫ"
    ]);

    private static readonly BertTokenizer Tokenizer = new(Letters);

    [Theory]
    [InlineData("ABC", "ab ##c")]
    [InlineData("abcbc", "ab ##c ##bc")]
    [InlineData("abx", "[UNK]")]
    [InlineData("a\u0000\u0005\uFFFDb", "ab")] // Controls vanish and the letters meet.
    [InlineData("a\u00ADb", "ab")] // So does a soft hyphen, which is a format character.
    [InlineData("a\tb\nc\u00A0\u2003a", "a b c a")]
    [InlineData("[SEP]", "[ sep ]")] // Never the special token.
    [InlineData("a,b", "a , b")]
    [InlineData("áb́", "ab")]
    [InlineData("İ", "i")] // Its lower case has a dot above, which is stripped.
    [InlineData("ΟΣ", "ο ##ς")] // A sigma at the end of a word is the final one,
    [InlineData("ΟΣΟ", "ο ##σ ##ο")]
    [InlineData("Σ", "σ")] // but not when it is the whole word.
    [InlineData("a博b", "a 博 b")]
    [InlineData("豈", "豈")] // A compatibility ideograph decomposes.
    [InlineData("한", "ᄒ ##ᅡ ##ᆫ")] // And so does Hangul, into letters that are no marks.
    public void Tokenize_Uncased_GivesThesePieces(string text, string pieces) =>
        Assert.Equal(pieces, Pieces(Tokenizer, text));

    [Theory]
    [InlineData("é", "é")]
    [InlineData("A", "[UNK]")]
    [InlineData("ab", "ab")]
    public void Tokenize_Cased_KeepsCaseAndAccents(string text, string pieces) =>
        Assert.Equal(pieces, Pieces(new(Letters, lowercase: false), text));

    [Fact]
    public void Tokenize_WordsOfOver100Characters_AreUnknown()
    {
        Assert.Equal(
            string.Join(' ', Enumerable.Repeat("##a", 99).Prepend("a")), Pieces(Tokenizer, new string('a', 100)));
        Assert.Equal("[UNK]", Pieces(Tokenizer, new string('a', 101)));
    }

    [Fact]
    public void Tokenize_Offsets_PointIntoTheOriginal()
    {
        const string text = " Áb\u0301c, 博";
        var spans = Tokenizer.Tokenize(text).Select(token => text[token.Span.Start..token.Span.End]);
        Assert.Equal(["Áb", "c", ",", "博"], spans);
    }

    [Fact]
    public void Encode_Pair_HasTypesSourcesAndSpecialTokens()
    {
        var sequence = Tokenizer.Encode("a b", "c");

        Assert.Equal("[CLS] a b [SEP] c [SEP]", Names(sequence));
        Assert.Equal([0, 0, 0, 0, 1, 1], sequence.Tokens.Select(token => token.Type));
        Assert.Equal(
            [
                TokenSource.Special, TokenSource.Text, TokenSource.Text, TokenSource.Special, TokenSource.Pair,
                TokenSource.Special
            ],
            sequence.Tokens.Select(token => token.Source));
        Assert.Equal(new(2, 3), sequence.Tokens[2].Span);
        Assert.Equal(0, sequence.DroppedTokens);
    }

    [Theory]
    [InlineData(Truncation.Right, 7, "[CLS] a b c [SEP] a [SEP]")]
    [InlineData(Truncation.Right, 5, "[CLS] a b [SEP] [SEP]")]
    [InlineData(Truncation.Left, 7, "[CLS] c [SEP] a b c [SEP]")]
    [InlineData(Truncation.Left, 5, "[CLS] [SEP] b c [SEP]")]
    [InlineData(Truncation.LongestFirst, 7, "[CLS] a b [SEP] a b [SEP]")]
    [InlineData(Truncation.LongestFirst, 8, "[CLS] a b c [SEP] a b [SEP]")]
    public void Encode_TooLongPair_IsTruncatedByThePolicy(Truncation truncation, int maxTokens, string expected)
    {
        var sequence = Tokenizer.Encode("a b c", "a b c", maxTokens, truncation);
        Assert.Equal(expected, Names(sequence));
        Assert.Equal(9 - maxTokens, sequence.DroppedTokens);
    }

    [Theory]
    [InlineData(Truncation.Right, "[CLS] a b [SEP]")]
    [InlineData(Truncation.Left, "[CLS] b c [SEP]")]
    [InlineData(Truncation.LongestFirst, "[CLS] a b [SEP]")]
    public void Encode_TooLongText_IsTruncatedByThePolicy(Truncation truncation, string expected) =>
        Assert.Equal(expected, Names(Tokenizer.Encode("a b c", maxTokens: 4, truncation: truncation)));

    [Fact]
    public void Encode_TextsThatCannotBe_SayWhatIsNeeded()
    {
        AssertRefused("", null, InvalidTextReason.Empty, "The text is empty; at least one word is needed.");
        AssertRefused("a", "", InvalidTextReason.Empty, "The pair is empty; at least one word is needed.");
        AssertRefused(
            "\u0001\u0002 \n",
            null,
            InvalidTextReason.Empty,
            "The text has no words: its 4 UTF-16 code units are whitespace and control characters only. "
            + "At least one word is needed.");
        AssertRefused(
            "ab\uD800c",
            null,
            InvalidTextReason.LoneSurrogate,
            "The text has half of a surrogate pair, U+D800, at index 2; well-formed Unicode is needed. "
            + "Replace or remove it.");
        AssertRefused(
            new string('a', 1 << 20),
            null,
            InvalidTextReason.TooLong,
            "The text has 1048576 UTF-16 code units; at most 262144 are taken. Split it.");
        AssertRefused(
            string.Concat(Enumerable.Repeat("a ", 511)),
            null,
            InvalidTextReason.TooLong,
            "The text has 513 tokens, 2 special ones among them; at most 512 fit. "
            + "Shorten or split it, or ask for truncation.");
    }

    [Fact]
    public void Encode_ALongWordOfTheLongestText_IsQuick() =>
        Assert.Equal("[CLS] [UNK] [SEP]", Names(Tokenizer.Encode(new string('a', BertTokenizer.MaxTextLength))));

    [Fact]
    public void Tokenize_AnyText_GivesOffsetsInOrderInsideTheText() => Prop.ForAll<string?>(text =>
    {
        var end = 0;
        foreach (var token in Tokenizer.Tokenize(text ?? ""))
        {
            Assert.InRange(token.Id, 0, Letters.Count - 1);
            Assert.InRange(token.Span.Start, 0, token.Span.End - 1);
            Assert.InRange(token.Span.End, end, text!.Length);
            end = token.Span.End;
        }
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Constructor_VocabularyWithoutSpecialTokens_IsRefused()
    {
        var exception = Assert.Throws<VocabularyException>(() => new BertTokenizer(new(["[UNK]", "[CLS]"])));
        Assert.Equal("The vocabulary of 2 tokens has no '[SEP]', which the tokenizer needs.", exception.Message);
    }

    [Fact]
    public void Vocabulary_SaveAndLoad_KeepsIds()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            using (var file = File.Create(path))
                Letters.Save(file);
            Assert.Equal(Letters.Tokens, Vocabulary.Load(path).Tokens);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Vocabulary_TokenTwice_IsRefused() => Assert.Equal(
        "The token 'a' has the ids 0 and 2; one is needed.",
        Assert.Throws<VocabularyException>(() => new Vocabulary(["a", "b", "a"])).Message);

    private static void AssertRefused(string text, string? pair, InvalidTextReason reason, string message)
    {
        var exception = Assert.Throws<InvalidTextException>(() => Tokenizer.Encode(text, pair));
        Assert.Equal(message, exception.Message);
        Assert.Equal(reason, exception.Reason);
    }

    private static string Pieces(BertTokenizer tokenizer, string text) =>
        string.Join(' ', tokenizer.Tokenize(text).Select(token => tokenizer.Vocabulary[token.Id]));

    private static string Names(TokenSequence sequence) =>
        string.Join(' ', sequence.Tokens.Select(token => Letters[token.Id]));
}
