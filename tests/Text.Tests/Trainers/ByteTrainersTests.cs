using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Text.Tests.Trainers;

/// <summary>Vocabularies of words, pieces of words, and characters over bytes.</summary>
public sealed class ByteTrainersTests
{
    private static readonly string[] Corpus = ["the cat sat, the cat ran", "naïve café: 東京 東京", "the hat"];

    [Fact]
    public void Words_ThatAreFrequent_AreTokens_AndOthersAreBytes()
    {
        var tokenizer = WordTrainer.Train(Corpus, new() { VocabularySize = 260 });

        // These come twice; 256 bytes, three words and the end of text.
        Assert.Equal(["Ġcat", "ĠæĿ±äº¬", "the", "<|endoftext|>"], tokenizer.Vocabulary.Tokens.Skip(256));
        Assert.Equal(["the", "Ġcat", "Ġ", "s", "a", "t"], Tokens(tokenizer, "the cat sat"));
        Assert.Equal(258, WordTrainer.Train(Corpus, new() { VocabularySize = 258 }).Vocabulary.Count);
    }

    [Fact]
    public void Characters_OfSeveralBytes_AreTokens()
    {
        var tokenizer = CharacterTrainer.Train(Corpus, new() { VocabularySize = 300 });
        Assert.Equal(
            ["n", "a", "Ã¯", "v", "e", "Ġ", "æĿ±", "äº¬"], Tokens(tokenizer, "naïve 東京"));

        // 京 and 東 come twice, é and ï once: 京 takes two tokens, and the next would take two more.
        tokenizer = CharacterTrainer.Train(Corpus, new() { VocabularySize = 260 });
        Assert.Equal(["äº", "äº¬", "<|endoftext|>"], tokenizer.Vocabulary.Tokens.Skip(256));
        Assert.Equal(["æ", "Ŀ", "±", "äº¬"], Tokens(tokenizer, "東京"));
    }

    /// <summary>As dictionaries of English have them, but for where rules can't know: mod-el, sci-ence.</summary>
    [Theory]
    [InlineData("wa-ter")]
    [InlineData("ta-ble")]
    [InlineData("hy-phe-na-tion")]
    [InlineData("lan-guage")]
    [InlineData("syl-la-ble")]
    [InlineData("un-der-stand")]
    [InlineData("con-struct")]
    [InlineData("ex-tra")]
    [InlineData("ap-ple")]
    [InlineData("hap-py")]
    [InlineData("tic-ket")]
    [InlineData("cas-tle")]
    [InlineData("make")]
    [InlineData("the")]
    [InlineData("be-yond")]
    [InlineData("yes")]
    [InlineData("rhythm")]
    [InlineData("hmm")]
    [InlineData("Chil-DREN")]
    [InlineData("qua-li-ty")]
    [InlineData(" re-mem-ber")]
    [InlineData("caf-é")]
    [InlineData("ma-ke-𝒜")] // Behind the e is a letter of two surrogates: it is not silent.
    [InlineData("東京")]
    [InlineData("")]
    public void Words_AreSplitIntoSyllables(string syllables) => Assert.Equal(
        syllables.Split('-', StringSplitOptions.RemoveEmptyEntries),
        SyllableSplitter.Split(syllables.Replace("-", "", StringComparison.Ordinal)));

    [Fact]
    public void Syllables_ThatAreFrequent_AreTokens_AndOthersAreBytes()
    {
        var tokenizer = WordTrainer.TrainSyllables(
            ["water later", "watery table"], new() { VocabularySize = 300 });

        // "te" is there once, in "watery"; "wa" and "ter" twice.
        Assert.Equal(["ter", "wa", "<|endoftext|>"], tokenizer.Vocabulary.Tokens.Skip(256));
        Assert.Equal(["wa", "ter", "Ġ", "l", "a", "ter"], Tokens(tokenizer, "water later"));
    }

    [Fact]
    public void Pieces_AreTheLongestFromTheLeft()
    {
        var bytes = CharacterTrainer.Train([], new() { VocabularySize = 257 }).Vocabulary.Tokens.SkipLast(1);
        var tokenizer = new BpeTokenizer(
            new([.. bytes, "ab", "abc", "cde"]), merges: [], Segmentation.LongestTokens);
        Assert.Equal(["abc", "d", "e", "Ġ", "ab", "b"], Tokens(tokenizer, "abcde abb"));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n\t  ...")]
    [InlineData("naïve café 3.14 — 你好 the cat <|endoftext|>")]
    public void Texts_ComeBack_FromEachOfThem(string text)
    {
        BpeTokenizer[] all =
        [
            WordTrainer.Train(Corpus, new() { VocabularySize = 270 }),
            CharacterTrainer.Train(Corpus, new() { VocabularySize = 270 }),
            WordTrainer.TrainSyllables(Corpus, new() { VocabularySize = 270 }),
            BpeTrainer.Train(Corpus, new() { VocabularySize = 270 }),
            BpeTrainer.Train(Corpus, new() { VocabularySize = 270 }, Segmentation.LongestTokens)
        ];
        Assert.All(all, tokenizer => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text))));
        Assert.All(all, tokenizer => Assert.DoesNotContain(tokenizer.Vocabulary.Count - 1, tokenizer.Encode(text)));
    }

    [Fact]
    public void Sizes_WithoutRoomForBytes_AreRefused() => Assert.Throws<VocabularyException>(
        () => WordTrainer.Train(Corpus, new() { VocabularySize = 256 }));

    private static IEnumerable<string> Tokens(BpeTokenizer tokenizer, string text) =>
        tokenizer.Encode(text).Select(id => tokenizer.Vocabulary[id]);
}
