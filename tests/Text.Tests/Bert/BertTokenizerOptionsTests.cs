using System.Text.RegularExpressions;
using Serving.Testing;
using Serving.Text.Bert;

namespace Serving.Text.Tests.Bert;

public sealed class BertTokenizerOptionsTests
{
    private const string Characters = "cases/t01-characters.py";

    private static readonly Vocabulary Words = new(
    [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "ä", "##a", "##b", "##ä", "A", "Ä", "i̇", "i",
        "東", "##京", "東京", "京", "[", "]", "e", "##1", "##2", "/", "1", "[E1]", "[E12]", "ab"
    ]);

    [Theory]
    [InlineData("a\u2028b")]
    [InlineData("a\u2029b")]
    [InlineData(" a\u2028\u2029 b\u2028")]
    [InlineData("a\u3000b")]
    [InlineData("a\u1680b")]
    [InlineData("a\r\nb")]
    public void Words_SeparatorsOfLinesAndParagraphs_SeparateWords(string text) =>
        Assert.Equal(["a", "b"], new BertTokenizer(Words).Words(text));

    [SharedFact(Characters)]
    public void Words_HandedCharacters_AreSplitWherePythonSplitsThem()
    {
        var source = File.ReadAllText(SharedFiles.At(Characters));
        var texts = Regex.Matches(source, "\"(good[^\"]*film)\"")
            .Select(match => Regex.Unescape(match.Groups[1].Value));
        var apart = texts.Where(text => new BertTokenizer(Words).Words(text).SequenceEqual(["good", "film"]));
        Assert.Equal(
            ["good\u2028film", "good\u2029film", "good\u00a0film", "good\u3000film"], apart);
    }

    [Theory]
    [InlineData(true, null, "Äa", "a ##a")]
    [InlineData(true, false, "Äa", "ä ##a")]
    [InlineData(true, true, "Äa", "a ##a")]
    [InlineData(false, null, "Äa", "Ä ##a")]
    [InlineData(false, true, "Äa", "A ##a")]
    [InlineData(false, false, "Äa", "Ä ##a")]
    [InlineData(true, false, "İ", "i̇")] // i and a dot above.
    [InlineData(true, true, "İ", "i")]
    public void Tokenize_CaseAndAccents_AreFoldedEachByItself(
        bool lowercase, bool? stripAccents, string text, string pieces) =>
        Assert.Equal(pieces, Pieces(new() { Lowercase = lowercase, StripAccents = stripAccents }, text));

    [Theory]
    [InlineData(true, "東 京")]
    [InlineData(false, "東京")]
    public void Tokenize_Ideographs_AreWordsOfTheirOwn_IfAsked(bool splitIdeographs, string pieces) =>
        Assert.Equal(pieces, Pieces(new() { SplitIdeographs = splitIdeographs }, "東京"));

    [Fact]
    public void Tokenize_LongestWord_IsAnOption()
    {
        Assert.Equal("a ##a ##a", Pieces(new() { MaxWordCharacters = 3 }, "aaa"));
        Assert.Equal("[UNK]", Pieces(new() { MaxWordCharacters = 2 }, "aaa"));
    }

    [Theory]
    [InlineData("a [E1]b", "a [E1] b")]
    [InlineData("a[E1][E12]", "a [E1] [E12]")]
    [InlineData("[e1]", "[ e ##1 ]")] // Only as it is written.
    [InlineData("[SEP]", "[ [UNK] ]")] // BERT's own are never found in texts.
    [InlineData("A[E1", "a [ e ##1")]
    public void Tokenize_AddedTokens_AreFoundAsTheyAreWritten(string text, string pieces)
    {
        var options = new BertTokenizerOptions { AddedTokens = [new("[E1]", 26), new("[E12]", 27)] };
        Assert.Equal(pieces, Pieces(options, text));
    }

    [Fact]
    public void Tokenize_AddedTokens_LeaveOffsetsIntoTheOriginal()
    {
        var options = new BertTokenizerOptions { AddedTokens = [new("[E1]", 26)] };
        const string text = "Äb [E1] ab";
        var spans = new BertTokenizer(Words, options).Tokenize(text).Select(token => token.Span);
        Assert.Equal(["Äb", "[E1]", "ab"], spans.Select(span => text[span.Start..span.End]));
    }

    [Theory]
    [InlineData(true, "Ab", "ab")]
    [InlineData(false, "Ab", "a ##b")]
    [InlineData(false, "ab", "ab")]
    public void Tokenize_AddedTokensThatAreNoPieces_AreNoPiecesOfWords(bool isPiece, string text, string pieces)
    {
        // "Ab" is not what the added token is written as; folded, it is a word like others.
        var words = new BertTokenizerOptions { AddedTokens = [new("ab", 28, isPiece)] };
        Assert.Equal(pieces, Pieces(words, text));
    }

    [Fact]
    public void AddedTokens_ThatAreEmptyOrRepeated_AreRefused()
    {
        Assert.Throws<VocabularyException>(() => Pieces(new() { AddedTokens = [new("", 26)] }, "a"));
        Assert.Throws<VocabularyException>(
            () => Pieces(new() { AddedTokens = [new("[E1]", 26), new("[E1]", 27)] }, "a"));
    }

    [Fact]
    public void VocabularyOfAFile_EmptyAndRepeatedLines_KeepTheNumbersOfLines()
    {
        var vocabulary = Vocabulary.Parse("[UNK]\n[CLS]\n\n[SEP]\r\na\nb\na\n\n\n");
        Assert.Equal(["[UNK]", "[CLS]", "", "[SEP]", "a", "b", "a", "", ""], vocabulary.Tokens);
        Assert.Equal(6, vocabulary.GetId("a"));
        Assert.Equal([6, 5], new BertTokenizer(vocabulary).Tokenize("a b").Select(token => token.Id));
        using var saved = new MemoryStream();
        vocabulary.Save(saved);
        var text = System.Text.Encoding.UTF8.GetString(saved.ToArray());
        Assert.Equal(vocabulary.Tokens, Vocabulary.Parse(text).Tokens);
    }

    private static string Pieces(BertTokenizerOptions options, string text)
    {
        var tokenizer = new BertTokenizer(Words, options);
        return string.Join(' ', tokenizer.Tokenize(text).Select(token => tokenizer.Vocabulary[token.Id]));
    }
}
