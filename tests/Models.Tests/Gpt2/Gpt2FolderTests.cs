using System.Text.Json.Nodes;
using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Kinds;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Models.Tests.Gpt2;

public sealed class Gpt2FolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CpuBackend _backend = new(1);

    public Gpt2FolderTests()
    {
        foreach (var name in (string[])[ModelFiles.Config, ModelFiles.Weights])
            File.Copy(Golden.At("gpt2/" + name), _folder.At(name));
    }

    private Gpt2Folder Model => new(_folder.Path);

    public void Dispose()
    {
        _folder.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Folder_IsOfAKnownKind() => Assert.Equal(
        new("gpt2", 2, 40, 4, 61, 48), Assert.IsType<Gpt2Folder>(ModelKinds.Open(_folder.Path)).ReadShape());

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.Int8)]
    public void LoadDecoder_NonNumbers_AreRefusedByName(WeightFormat format)
    {
        var damaged = new SafetensorsWriter();
        using (var file = SafetensorsFile.Open(Golden.At("gpt2/model.safetensors")))
        {
            foreach (var entry in file.Entries.Values)
            {
                var bytes = file.Bytes(entry.Name).ToArray();
                if (entry.Name.EndsWith("h.1.mlp.c_fc.weight", StringComparison.Ordinal))
                    BitConverter.TryWriteBytes(bytes.AsSpan(40), float.NaN);
                damaged.Add(entry.Name, entry.Type, [.. entry.Shape], bytes);
            }
        }

        using (var stream = File.Create(_folder.At(ModelFiles.Weights)))
            damaged.Write(stream);

        var refusal = Assert.Throws<ModelFileException>(() => Model.LoadDecoder(_backend, format));

        Assert.Contains("h.1.mlp.c_fc.weight'", refusal.Message);
        Assert.Contains("no finite numbers", refusal.Message);
        Assert.Equal(0, _backend.AllocatedBytes);
    }

    [Fact]
    public void Weights_WithoutThePrefixAndInShards_AreTheSame()
    {
        var expected = Digest();
        using (var file = SafetensorsFile.Open(Golden.At("gpt2/model.safetensors")))
        {
            var map = new JsonObject();
            var shards = file.Entries.Values.Index().GroupBy(pair => $"part-{pair.Index % 2}.safetensors");
            foreach (var shard in shards)
            {
                var writer = new SafetensorsWriter();
                foreach (var (_, entry) in shard)
                {
                    var name = entry.Name["transformer.".Length..];
                    map[name] = shard.Key;
                    writer.Add(name, entry.Type, [.. entry.Shape], file.Bytes(entry.Name).ToArray());
                }

                // The causal mask, as old files have it.
                writer.Add($"h.{shard.Key[5]}.attn.bias", [1], [1f]);
                map[$"h.{shard.Key[5]}.attn.bias"] = shard.Key;
                using var stream = File.Create(_folder.At(shard.Key));
                writer.Write(stream);
            }

            File.WriteAllText(
                _folder.At(ModelFiles.WeightIndex), new JsonObject { ["weight_map"] = map }.ToJsonString());
        }

        File.Delete(_folder.At(ModelFiles.Weights));
        Assert.Equal(expected, Digest());
    }

    [Fact]
    public void Digest_WithoutLoading_IsTheDecoders()
    {
        using var weights = WeightFiles.Open(_folder.At(ModelFiles.Weights));
        Assert.Equal(
            Digest(),
            ParameterDigest.Of(
                Gpt2Tensors.Parameters(Model.LoadConfig()), new Gpt2CheckpointParameters(weights)));
    }

    [Fact]
    public void Tokenizer_WithMoreTokensThanEmbeddings_IsRefused()
    {
        Tokenizer().Save(_folder.At("vocab.json"), _folder.At("merges.txt"));
        var error = Assert.Throws<ModelFileException>(() => Model.ReadDigest());
        Assert.Contains(
            "the tokenizer has 257 tokens, and vocab_size in config.json is 61", error.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model_type", "\"bert\"", "model_type is 'bert'; only 'gpt2' runs here.")]
    [InlineData("n_head", "7", "n_embd 40 does not divide into 7 n_head.")]
    [InlineData("n_layer", "0", "n_layer is 0; a whole number, 1 to 16777216, is needed.")]
    [InlineData("activation_function", "\"relu\"", "activation_function is 'relu'; only 'gelu_new'")]
    [InlineData("scale_attn_by_inverse_layer_idx", "true", "it makes another model of a GPT-2; false is needed.")]
    [InlineData("scale_attn_weights", "false", "scale_attn_weights is false")]
    [InlineData("eos_token_id", "61", "eos_token_id is 61; a whole number, 0 to 60, is needed.")]
    [InlineData("rope_scaling", "2", "rope_scaling is 2; what it means is not known here")]
    [InlineData("n_layer", "3", "has no tensor 'h.2.attn.c_attn.weight'")]
    [InlineData("n_layer", "1", "is no part of a GPT-2 of 1 n_layer")]
    [InlineData("n_positions", "50", "'transformer.wpe.weight' F32 [48, 40] has another shape")]
    [InlineData("n_inner", "null", "'transformer.h.0.mlp.c_fc.weight' F32 [40, 96] has another shape")]
    [InlineData("tie_word_embeddings", "false", "has no tensor 'lm_head.weight'")]
    public void Config_ThatDoesNotFit_IsRefused(string name, string value, string message)
    {
        EditConfig(config => config[name] = JsonNode.Parse(value));
        var error = Assert.Throws<ModelFileException>(() => Model.LoadDecoder(_backend).Dispose());
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tokenizer_OfEitherFiles_IsTheSame()
    {
        EditConfig(config => config["vocab_size"] = 300);
        var expected = Tokenizer();
        expected.Save(_folder.At("vocab.json"), _folder.At("merges.txt"));
        AssertSame(expected, Model.LoadTokenizer());
        foreach (var asPairs in (bool[])[false, true])
        {
            File.WriteAllText(_folder.At("tokenizer.json"), Json(expected, asPairs).ToJsonString());
            File.Delete(_folder.At("vocab.json"));
            AssertSame(expected, Model.LoadTokenizer());
        }
    }

    [Theory]
    [InlineData("model.byte_fallback", "true", "model.byte_fallback is true; only false runs here.")]
    [InlineData("model.type", "\"Unigram\"", "model.type is 'Unigram'; only 'BPE' or 'WordPiece' runs here.")]
    [InlineData("model.type", "\"WordPiece\"", "model.merges is")]
    [InlineData("model.merges", "[\"a\"]", "pairs of tokens are needed; number 0 is none.")]
    [InlineData("model.merges", "[\"a zz\"]", "has no 'zz', which the tokenizer needs")]
    [InlineData("normalizer", "{\"type\": \"NFC\"}", "texts are split as they are; null is needed.")]
    [InlineData("pre_tokenizer", "{\"type\": \"Whitespace\"}", "only 'ByteLevel' runs here.")]
    [InlineData("pre_tokenizer", "{\"type\": \"ByteLevel\", \"add_prefix_space\": true}", "false is needed.")]
    [InlineData("added_tokens", "[{\"id\": 7, \"content\": \"new\"}]", "ids 0 to 257, once each, are needed")]
    public void TokenizerJson_ThatDoesNotRunHere_IsRefused(string field, string value, string message)
    {
        EditConfig(config => config["vocab_size"] = 300);
        var json = Json(Tokenizer(), asPairs: false);
        var parts = field.Split('.');
        (parts.Length == 1 ? json : json["model"]!.AsObject())[parts[^1]] = JsonNode.Parse(value);
        File.WriteAllText(_folder.At("tokenizer.json"), json.ToJsonString());
        var error = Assert.Throws<ModelFileException>(() => Model.LoadTokenizer());
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tokenizer_ThatIsMissing_SaysWhatIsNeeded() => Assert.EndsWith(
        "vocab.json is missing. A GPT-2 has tokenizer.json, or vocab.json and merges.txt.",
        Assert.Throws<ModelFileException>(() => Model.LoadTokenizer()).Message, StringComparison.Ordinal);

    private static BpeTokenizer Tokenizer() =>
        BpeTrainer.Train(["the cat and the hat", "the bat"], new() { VocabularySize = 257 });

    private static JsonObject Json(BpeTokenizer tokenizer, bool asPairs) => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray(),
        ["normalizer"] = null,
        ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false },
        ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["vocab"] = new JsonObject(tokenizer.Vocabulary.Tokens.Select(
                (token, id) => KeyValuePair.Create(token, (JsonNode?)id))),
            ["merges"] = new JsonArray([.. tokenizer.Merges.Select(merge => asPairs
                ? (JsonNode)new JsonArray(merge.Left, merge.Right)
                : $"{merge.Left} {merge.Right}")])
        }
    };

    private static void AssertSame(BpeTokenizer expected, BpeTokenizer actual)
    {
        Assert.Equal(expected.Vocabulary.Tokens, actual.Vocabulary.Tokens);
        Assert.Equal(expected.Merges, actual.Merges);
    }

    private string Digest()
    {
        using var decoder = Model.LoadDecoder(_backend);
        return decoder.Digest;
    }

    private void EditConfig(Action<JsonObject> edit)
    {
        var config = JsonNode.Parse(File.ReadAllText(_folder.At(ModelFiles.Config)))!.AsObject();
        edit(config);
        File.WriteAllText(_folder.At(ModelFiles.Config), config.ToJsonString());
    }
}
