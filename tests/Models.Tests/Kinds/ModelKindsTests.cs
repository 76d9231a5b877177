using Serving.Models.Bert;
using Serving.Models.Kinds;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests.Kinds;

public sealed class ModelKindsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Config => _folder.At("config.json");

    public ModelKindsTests()
    {
        foreach (var file in Directory.EnumerateFiles(Golden.At("bert")))
            File.Copy(file, _folder.At(Path.GetFileName(file)));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Folder_IsOpenedByItsModelType()
    {
        var folder = Assert.IsType<BertFolder>(ModelKinds.Open(_folder.Path));
        Assert.Equal(new("bert", 3, 48, 4, 96, 40), folder.ReadShape());
        Write("{\"vocab_size\": 96}"); // Older folders have none.
        Assert.IsType<BertFolder>(ModelKinds.Open(_folder.Path));
    }

    [Theory]
    [InlineData("{\"model_type\": \"mamba\"}", "config.json: model_type is 'mamba'; known are bert, gpt2, lstm.")]
    [InlineData("{\"model_type\": null}", "config.json: model_type is null; known are bert, gpt2, lstm.")]
    [InlineData("{\"model_type\": 3}", "config.json: model_type is 3; text is needed.")]
    [InlineData("[", "config.json is no configuration of a model")]
    [InlineData(null, "config.json is missing. A model is a folder with config.json, vocab.txt and model.safetensors.")]
    public void Folder_OfNoKnownKind_IsRefusedWithTheKnown(string? config, string message)
    {
        if (config is null)
            File.Delete(Config);
        else
            Write(config);
        var error = Assert.Throws<ModelFileException>(() => ModelKinds.Open(_folder.Path));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Digest_IsTheEncoders()
    {
        using var backend = new CpuBackend(1);
        using var encoder = Golden.Folder.LoadEncoder(backend);
        Assert.Equal(encoder.Backbone, ModelKinds.Open(_folder.Path).ReadDigest());
        Assert.Equal(encoder.Digest, encoder.Backbone!.Weights);
    }

    private void Write(string config) => File.WriteAllText(Config, config);
}
