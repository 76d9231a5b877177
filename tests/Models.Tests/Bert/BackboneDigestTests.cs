using System.Text.Json.Nodes;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Bert;

namespace Serving.Models.Tests.Bert;

/// <summary>A backbone's digest covers weights, configuration and tokenizer; versions are for all of it.</summary>
public sealed class BackboneDigestTests : IDisposable
{
    private readonly SmallFolder _folder = new();
    private readonly TemporaryFolder _versions = new();
    private readonly CpuBackend _backend = new(1);
    private readonly BackboneDigest _digest;

    public BackboneDigestTests() => _digest = _folder.Model.ReadDigest();

    public void Dispose()
    {
        _backend.Dispose();
        _versions.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(ModelFiles.TokenizerConfig, "do_lower_case", "false", nameof(BackboneDigest.Tokenizer))]
    [InlineData(ModelFiles.TokenizerConfig, "strip_accents", "false", nameof(BackboneDigest.Tokenizer))]
    [InlineData(ModelFiles.TokenizerConfig, "tokenize_chinese_chars", "false", nameof(BackboneDigest.Tokenizer))]
    [InlineData(ModelFiles.TokenizerConfig, "max_input_chars_per_word", "99", nameof(BackboneDigest.Tokenizer))]
    [InlineData(ModelFiles.TokenizerConfig, "additional_special_tokens", "[\"a\"]", nameof(BackboneDigest.Tokenizer))]
    [InlineData(ModelFiles.Config, "num_attention_heads", "2", nameof(BackboneDigest.Config))]
    [InlineData(ModelFiles.Config, "layer_norm_eps", "1e-5", nameof(BackboneDigest.Config))]
    [InlineData(ModelFiles.Vocabulary, "w", "W", nameof(BackboneDigest.Tokenizer))]
    public void Digest_ChangesWithWhatAnswersDependOn(string file, string name, string value, string part)
    {
        if (file == ModelFiles.Vocabulary)
            _folder.Write(file, File.ReadAllText(_folder.At(file)).Replace($"\n{name}\n", $"\n{value}\n"));
        else
            _folder.Edit(file, contents => contents[name] = JsonNode.Parse(value));
        var changed = _folder.Model.ReadDigest();

        Assert.NotEqual(_digest.Value, changed.Value);
        Assert.Equal(
            _digest with { Config = changed.Config, Tokenizer = changed.Tokenizer }, changed);
        Assert.Equal(part == nameof(BackboneDigest.Config), _digest.Config != changed.Config);
        Assert.Equal(part == nameof(BackboneDigest.Tokenizer), _digest.Tokenizer != changed.Tokenizer);
    }

    [Fact]
    public void Digest_IsTheSame_HoweverFilesSayIt()
    {
        _folder.Edit(ModelFiles.Config, config => config["hidden_dropout_prob"] = 0.5);
        _folder.Edit(ModelFiles.TokenizerConfig, config => config["do_lower_case"] = true);
        _folder.Write(ModelFiles.Tokenizer, _folder.TokenizerJson().ToJsonString());
        Assert.Equal(_digest, _folder.Model.ReadDigest());
        File.Delete(_folder.At(ModelFiles.Vocabulary));
        Assert.Equal(_digest, _folder.Model.ReadDigest());
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"do_lower_case\": false, \"strip_accents\": true, \"tokenize_chinese_chars\": false}")]
    [InlineData("{\"strip_accents\": false, \"max_input_chars_per_word\": 9}")]
    [InlineData("{\"additional_special_tokens\": [\"x\"]}")]
    [InlineData("{\"added_tokens_decoder\": {\"95\": {\"content\": \"abc\", \"normalized\": false}}}")]
    public void Digest_OfAFolderWrittenAgain_IsTheSame(string settings)
    {
        _folder.Write(ModelFiles.TokenizerConfig, settings);
        _folder.Write(ModelFiles.Vocabulary, string.Join('\n', _folder.Lines.SkipLast(3)) + "\n\na\n\n");
        using var weights = _folder.Model.OpenWeights();
        var config = _folder.Model.LoadConfig();
        var written = _versions.At("written");
        BertFolderWriter.Write(
            written, config, _folder.Model.LoadTokenizer(), BertDigest.Parameters(config),
            new CheckpointParameters(weights));
        Assert.Equal(_folder.Model.ReadDigest(), new BertFolder(written).ReadDigest());
    }

    [Theory]
    [InlineData(false, "its tokenizer has changed since")]
    [InlineData(true, "its tokenizer, or its configuration, has changed since")]
    public void Version_OfAnotherTokenizer_IsRefusedWithTheReason(bool isOld, string reason)
    {
        using var pack = VersionFiles.Open(WriteVersion(isOld));
        using (var encoder = _folder.Model.LoadEncoder(_backend))
            pack.ThrowUnlessFor(encoder);
        _folder.Write(ModelFiles.TokenizerConfig, "{\"strip_accents\": false}");
        using var changed = _folder.Model.LoadEncoder(_backend);

        // By its weights alone a version can't tell; whoever keeps it beside its model knows what that was.
        if (isOld)
            pack.ThrowUnlessFor(changed);
        else
            Assert.Contains(reason, Assert.Throws<ModelFileException>(() => pack.ThrowUnlessFor(changed)).Message);
        Assert.Contains(reason, pack.Manifest.Change(changed.Backbone!));
    }

    [Fact]
    public void Version_OfPairs_IsRefusedByAModelOfSingleTexts()
    {
        _folder.Edit(ModelFiles.Config, config => config["type_vocab_size"] = 1);
        _folder.Rewrite((writer, entry, bytes) =>
        {
            var isTypes = entry.Name.EndsWith(BertTensors.TypeEmbeddings, StringComparison.Ordinal);
            writer.Add(entry.Name, entry.Type, isTypes ? [1, 48] : [.. entry.Shape], isTypes ? bytes[..192] : bytes);
        });
        using var encoder = _folder.Model.LoadEncoder(_backend);
        var version = RandomTask.Write(
            _versions.Path, encoder.Config, encoder.Backbone!, seed: 1, inputs: TextInputs.Pair);
        using var pack = VersionFiles.Open(_versions.At(version));
        Assert.Contains(
            "reads pairs of texts, for which type_vocab_size in config.json must be 2 or more; it is 1.",
            Assert.Throws<ModelFileException>(() => pack.ThrowUnlessFor(encoder)).Message);
    }

    [Fact]
    public void Version_WhosePartsDoNotGiveItsBackbone_IsRefused()
    {
        var path = Path.Combine(WriteVersion(isOld: false), VersionFiles.ManifestFile);
        File.WriteAllText(path, File.ReadAllText(path).Replace(_digest.Tokenizer, new string('0', 64)));
        var exception = Assert.Throws<ModelFileException>(() => VersionFiles.Open(Path.GetDirectoryName(path)!));
        Assert.Contains("has the backbone", exception.Message);
    }

    private string WriteVersion(bool isOld)
    {
        using var encoder = _folder.Model.LoadEncoder(_backend);
        if (!isOld)
            return _versions.At(RandomTask.Write(_versions.Path, encoder.Config, encoder.Backbone!, seed: 1));
        using var golden = new Golden();
        return GoldenTask.Write(_versions.Path, golden, encoder);
    }
}
