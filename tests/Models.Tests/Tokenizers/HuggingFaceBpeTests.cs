using System.Text.Json;
using System.Text.Json.Nodes;
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

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tokens_OfRandomTexts_AreTheSame() => AssertSame(BpeTrainer.Train(
        [
            "the cat and the hat, the bat: it's 1234 we'll I'd they're", "don't aaaaaaaa 한국어 한국 😀😀 東京 東京都",
            "été étés naïve ÄÖÜ привет приветы", "  two  spaces\n\nlines\t\ttabs ...!!! --"
        ],
        new() { VocabularySize = 330 }));

    [SharedFact(Vocabulary)]
    public void Tokens_OfGpt2_AreTheSame() => AssertSame(BpeTokenizer.Load(
        SharedFiles.At(Vocabulary), SharedFiles.At("fixtures/vocab/gpt2-merges.txt")));

    private void AssertSame(BpeTokenizer tokenizer)
    {
        File.WriteAllText(_folder.At(ModelFiles.Tokenizer), Json(tokenizer).ToJsonString());
        using var theirs = new Tokenizer(_folder.At(ModelFiles.Tokenizer));
        var ours = BpeFiles.Load(_folder.Path);
        var texts = new RandomTexts(seed: 3, ["the", "cat", "it's", "we'll", "DON'T", "naïve", "東京", "한국", "hat"]);
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

    private static JsonObject Json(BpeTokenizer tokenizer) => new()
    {
        ["version"] = "1.0",
        ["truncation"] = null,
        ["padding"] = null,
        ["added_tokens"] = new JsonArray(),
        ["normalizer"] = null,
        ["pre_tokenizer"] = ByteLevel(),
        ["post_processor"] = ByteLevel(),
        ["decoder"] = ByteLevel(),
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = null,
            ["continuing_subword_prefix"] = "",
            ["end_of_word_suffix"] = "",
            ["fuse_unk"] = false,
            ["vocab"] = new JsonObject(tokenizer.Vocabulary.Tokens.Select(
                (token, id) => KeyValuePair.Create(token, (JsonNode?)id))),
            ["merges"] = new JsonArray(
                [.. tokenizer.Merges.Select(merge => (JsonNode)$"{merge.Left} {merge.Right}")])
        }
    };

    private static JsonObject ByteLevel() => new()
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = false,
        ["trim_offsets"] = true,
        ["use_regex"] = true
    };
}
