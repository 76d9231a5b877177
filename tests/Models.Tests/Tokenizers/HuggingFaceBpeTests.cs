using System.Text.Json;
using Serving.Models.Tokenizers;
using Serving.Testing;
using Serving.Text.Bpe;
using Serving.Text.Trainers;
using Tokenizers.DotNet;

namespace Serving.Models.Tests.Tokenizers;

/// <summary>A byte-level BPE gives the tokens that Hugging Face's tokenizers give.</summary>
public sealed class HuggingFaceBpeTests : IDisposable
{
    private const string Vocabulary = "fixtures/vocab/gpt2-vocab.json";
    private const int Texts = 10_000;

    private static readonly string[] Corpus =
    [
        "the cat and the hat, the bat: it's 1234 we'll I'd they're", "don't aaaaaaaa 한국어 한국 😀😀 東京 東京都",
        "water table hyphenation LANGUAGE Beyond rhythm extra castle people makes science understanding wordlessly",
        "été étés naïve ÄÖÜ привет приветы", "  two  spaces\n\nlines\t\ttabs ...!!! --"
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Segmentation.Merges)]
    [InlineData(Segmentation.LongestTokens)]
    public void Tokens_OfRandomTexts_AreTheSame(Segmentation segmentation) => AssertSame(
        BpeTrainer.Train(Corpus, new() { VocabularySize = 330 }, segmentation));

    [Fact]
    public void Words_OfRandomTexts_AreTheSame() =>
        AssertSame(WordTrainer.Train(Corpus, new() { VocabularySize = 330, MinPairCount = 1 }));

    [Fact]
    public void Syllables_OfRandomTexts_AreTheSame() =>
        AssertSame(WordTrainer.TrainSyllables(Corpus, new() { VocabularySize = 400, MinPairCount = 1 }));

    [Fact]
    public void Characters_OfRandomTexts_AreTheSame() =>
        AssertSame(CharacterTrainer.Train(Corpus, new() { VocabularySize = 280 }));

    [SharedFact(Vocabulary)]
    public void Tokens_OfGpt2_AreTheSame() => AssertSame(BpeTokenizer.Load(
        SharedFiles.At(Vocabulary), SharedFiles.At("fixtures/vocab/gpt2-merges.txt")));

    private void AssertSame(BpeTokenizer tokenizer)
    {
        using (var file = File.Create(_folder.At(ModelFiles.Tokenizer)))
            BpeFiles.Write(tokenizer, file);
        using var theirs = new Tokenizer(_folder.At(ModelFiles.Tokenizer));
        var ours = BpeFiles.Load(_folder.Path);
        var texts = new RandomTexts(
            seed: 3,
            ["the", "cat", "understand", "Tables", "it's", "we'll", "DON'T", "naïve", "東京", "한국", "hat"]);
        for (var i = 0; i < Texts; i++)
        {
            var text = texts.Next();
            var expected = theirs.Encode(text).Select(id => (int)id).ToList();
            Assert.True(
                expected.SequenceEqual(ours.Encode(text)),
                $"{JsonSerializer.Serialize(text)} is {string.Join(' ', expected.Select(id => ours.Vocabulary[id]))}, "
                + $"not {string.Join(' ', ours.Encode(text).Select(id => ours.Vocabulary[id]))}");
            Assert.Equal(text, ours.Decode(expected));
        }
    }
}
