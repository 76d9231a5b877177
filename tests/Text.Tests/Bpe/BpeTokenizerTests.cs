using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Serving.Testing;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Text.Tests.Bpe;

public sealed class BpeTokenizerTests
{
    private const string Sample = "fixtures/vocab/gpt2-encoded-sample.json";

    // Bytes, then what a small corpus teaches.
    private static readonly BpeTokenizer Small = BpeTrainer.Train(
        ["the cat and the hat", "the bat, the rat", "don't aaaaaaaa 한국어 😀"],
        new() { VocabularySize = 290 });

    [SharedFact(Sample)]
    public void Encode_ReferenceSample_GivesTheSameIdsAndDecodesBack()
    {
        var tokenizer = BpeTokenizer.Load(
            SharedFiles.At("fixtures/vocab/gpt2-vocab.json"), SharedFiles.At("fixtures/vocab/gpt2-merges.txt"));
        var sample = JsonDocument.Parse(File.ReadAllText(SharedFiles.At(Sample))).RootElement;
        var text = sample.GetProperty("text").GetString()!;
        int[] expected = [.. sample.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32())];

        Assert.Equal(expected, tokenizer.Encode(text));
        Assert.Equal(
            sample.GetProperty("bpe_tokens").EnumerateArray().Select(token => token.GetString()),
            expected.Select(id => tokenizer.Vocabulary[id]));
        Assert.Equal(text, tokenizer.Decode(expected));
    }

    [Theory]
    [InlineData("hello world", "hello| world")]
    [InlineData("it's we'll I'd 'tis", "it|'s| we|'ll| I|'d| '|tis")]
    [InlineData("a  b", "a| | b")]
    [InlineData("a\n\n b\tc", "a|\n\n| b|\t|c")]
    [InlineData("x1y22", "x|1|y|22")]
    [InlineData(" !?a", " !?|a")]
    [InlineData("a   ", "a|   ")]
    [InlineData("𝒜𝒷 é", "𝒜𝒷| é")] // Letters above U+FFFF are letters.
    [InlineData("''s", "''|s")]
    public void FirstWord_SplitsLikeTheReleasedPattern(string text, string words)
    {
        var found = new List<string>();
        for (var rest = text.AsSpan(); rest.Length > 0;)
        {
            var length = WordSplitter.FirstWord(rest);
            found.Add(rest[..length].ToString());
            rest = rest[length..];
        }

        Assert.Equal(words, string.Join('|', found));
    }

    [Fact]
    public void Encode_AnyText_DecodesBack() => Prop.ForAll<string?>(text =>
    {
        var wellFormed = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? ""));
        Assert.Equal(wellFormed, Small.Decode(Small.Encode(text ?? "")));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Encode_MergesTheLowestRankFirst()
    {
        var bytes = Enumerable.Range(0, 256).Select(value => ByteAlphabet.ToCharacter((byte)value).ToString());
        var tokenizer = new BpeTokenizer(new([.. bytes, "bc", "ab", "abc"]), [("b", "c"), ("a", "b"), ("ab", "c")]);

        // "bc" comes first, so "ab" and "abc" never do.
        Assert.Equal(["a", "bc"], tokenizer.Encode("abc").Select(id => tokenizer.Vocabulary[id]));
        Assert.Equal(["ab", "ab"], tokenizer.Encode("abab").Select(id => tokenizer.Vocabulary[id]));
    }

    [Fact]
    public void Encode_OneWordOfAMegabyte_IsQuick()
    {
        var text = new string('a', 1 << 20);
        var ids = Small.Encode(text);
        Assert.InRange(ids.Count, 1, text.Length / 4);
        Assert.Equal(text, Small.Decode(ids));
    }

    [Fact]
    public void Train_LearnsTheMostFrequentPairsFirst()
    {
        // "a a" comes 7 times in one word; "a t", "h e", "t h" 4 times each; "aa aa" 3 times; "Ġ the" twice; the rest
        // once.
        Assert.Equal(
            [("a", "a"), ("a", "t"), ("h", "e"), ("t", "he"), ("aa", "aa"), ("Ġ", "the")], Small.Merges);
        Assert.Equal(256 + 6 + 1, Small.Vocabulary.Count);
        Assert.Equal(BpeTrainer.EndOfText, Small.Vocabulary[262]);
        Assert.Equal(
            Small.Merges,
            BpeTrainer.Train(
                ["the bat, the rat", "don't aaaaaaaa 한국어 😀", "the cat and the hat"],
                new() { VocabularySize = 290 }).Merges);
    }

    [Fact]
    public void SaveAndLoad_EncodesTheSame()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var vocab = Path.Combine(folder.FullName, "vocab.json");
            var merges = Path.Combine(folder.FullName, "merges.txt");
            Small.Save(vocab, merges);
            Assert.Equal(
                Small.Encode("the cat's 한국어 hat"), BpeTokenizer.Load(vocab, merges).Encode("the cat's 한국어 hat"));

            File.WriteAllText(merges, "#version: 0.2\nt h e\n");
            var exception = Assert.Throws<VocabularyException>(() => BpeTokenizer.Load(vocab, merges));
            Assert.EndsWith("merges.txt, line 2: 't h e' is not two tokens with a space between.", exception.Message);

            File.WriteAllText(vocab, "{\"a\": 7}");
            Assert.Contains(
                "the ids are not 0 to 0 once each; 'a' has 7.",
                Assert.Throws<VocabularyException>(() => BpeTokenizer.Load(vocab, merges)).Message,
                StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void DecodeToken_IdOutsideTheVocabulary_IsRefused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Small.DecodeToken(263).Length);
}
