using System.Text;
using System.Text.Json;
using Serving.Models.Bert;
using Serving.Models.Safetensors;

namespace Serving.Models.Tests.Onnx;

/// <summary>Exports of one BERT in the forms that exporters give them; its weights lie beside them.</summary>
public sealed class OnnxImportTests
{
    /// <summary>Half the distance of float16 numbers up to 4, which all weights are below.</summary>
    private const float HalfRounding = 1f / 1024;

    private static readonly Dictionary<string, float[]> Weights =
        JsonSerializer.Deserialize<Dictionary<string, float[]>>(File.ReadAllText(ExportFolder.At("weights.json")))!;

    [Theory]
    [InlineData("opset11")]
    [InlineData("opset13")]
    [InlineData("opset17")] // With LayerNormalization.
    [InlineData("unfolded")] // Weights are transposed by nodes, shapes are computed.
    [InlineData("sdpa")] // Scales are computed from the shape of queries.
    [InlineData("no-pooler")]
    [InlineData("half")]
    public void Convert_AnExport_HasItsWeights(string export)
    {
        using var folder = new ExportFolder(export);

        folder.Convert();

        using var file = SafetensorsFile.Open(Path.Combine(folder.Target, ModelFiles.Weights));
        var expected = Weights
            .Where(pair => export != "no-pooler" || !pair.Key.StartsWith("pooler.", StringComparison.Ordinal)).ToList();
        Assert.Equal(expected.Select(pair => pair.Key).Order(), file.Entries.Keys.Order());
        Assert.All(expected, pair =>
        {
            var values = new float[pair.Value.Length];
            file.ReadFloats(pair.Key, 0, values);
            var tolerance = export == "half" ? HalfRounding : 0;
            Assert.All(
                values.Zip(pair.Value), both => Assert.InRange(Math.Abs(both.First - both.Second), 0, tolerance));
        });
        var config = new BertFolder(folder.Target).LoadConfig();
        Assert.Equal((24, 8, 2, 2), (config.Vocab, config.Hidden, config.Layers, config.Heads));
        Assert.Equal((12, 16, 2, 1e-12f), (config.Inner, config.MaxPositions, config.Types, config.LayerNormEpsilon));
    }

    [Theory]
    [InlineData("external", "external data")]
    [InlineData("quantized", "it is quantized (MatMulInteger")]
    [InlineData("tanh-gelu", "only 'gelu' runs here")]
    public void Convert_AnotherExport_IsRefusedByName(string export, string reason) =>
        AssertRefused(ExportFolder.Read(export), reason);

    [Fact]
    public void Convert_AnotherActivation_IsRefusedByName() =>
        AssertRefused(Replace(ExportFolder.Read("opset13"), "\"\u0003Erf", "\"\u0003Abs"), "only activation that runs");

    [Fact]
    public void Convert_AMissingWeight_IsRefusedByName() => AssertRefused(
        Replace(ExportFolder.Read("opset13"), "B\u0011layers.1.key.bias", "B\u0011layers.9.key.bias"),
        "'layers.1.key.bias', which Add");

    [Theory]
    [InlineData("")]
    [InlineData("PK\u0003\u0004 a zip archive")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")]
    [InlineData("{\"model\": 1}")]
    public void Convert_NoOnnx_IsRefused(string text) => AssertRefused(Encoding.UTF8.GetBytes(text), "");

    [Fact]
    public void Convert_ATokenizerOfAnotherModel_IsRefused()
    {
        using var folder = new ExportFolder("opset13");
        folder.Write(ModelFiles.Vocabulary, string.Concat(
            Enumerable.Range(0, 30).Select(i => $"t{i}\n").Prepend("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")));

        var exception = Assert.Throws<ModelFileException>(folder.Convert);

        Assert.Contains("24 rows, and the tokenizer 35 tokens", exception.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.Target));
    }

    [Fact]
    public void Convert_AConfigThatSaysOtherwise_IsRefused()
    {
        using var folder = new ExportFolder("opset13");
        folder.Write(ModelFiles.Config, """
            {"model_type": "bert", "vocab_size": 24, "hidden_size": 8, "num_hidden_layers": 2,
             "num_attention_heads": 4, "intermediate_size": 12, "max_position_embeddings": 16}
            """);

        var exception = Assert.Throws<ModelFileException>(folder.Convert);

        Assert.Contains("Heads = 4", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("word", null, true)]
    [InlineData("Word", null, false)]
    [InlineData("word", false, false)]
    [InlineData("Word", true, true)]
    public void Convert_Case_IsThatOfTheVocabularyUnlessItIsSaid(string word, bool? said, bool isLowercase)
    {
        using var folder = new ExportFolder("opset13", word);
        if (said is { } value)
            folder.Write(ModelFiles.TokenizerConfig, $$"""{"do_lower_case": {{(value ? "true" : "false")}}}""");

        folder.Convert();

        Assert.Equal(isLowercase, new BertFolder(folder.Target).LoadTokenizer().IsLowercase);
    }

    private static void AssertRefused(byte[] onnx, string reason)
    {
        using var folder = new ExportFolder(onnx);

        var exception = Assert.Throws<ModelFileException>(folder.Convert);

        Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.Target));
    }

    /// <summary>Replaces text of the same length, wherever it is.</summary>
    private static byte[] Replace(byte[] file, string from, string to)
    {
        var text = Encoding.Latin1.GetString(file);
        Assert.Contains(from, text, StringComparison.Ordinal);
        return Encoding.Latin1.GetBytes(text.Replace(from, to, StringComparison.Ordinal));
    }
}
