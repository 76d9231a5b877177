using System.Text.Json.Nodes;
using Serving.Models.Kinds;
using Serving.Models.Lstm;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Trainers;

namespace Serving.Models.Tests.Lstm;

/// <summary>Folders of LSTMs: what is written is read, and what can't be is refused.</summary>
public sealed class LstmFolderTests : IDisposable
{
    private readonly TemporaryFolder _root = new();
    private readonly string _folder;

    public LstmFolderTests()
    {
        _folder = Path.Combine(_root.Path, "model");
        var golden = new LstmFolder(Golden.At("lstm"));
        using var weights = golden.OpenWeights(out var parameters);
        var tokenizer = BpeTrainer.Train(["a b c"], new() { VocabularySize = 257 });
        var config = golden.LoadConfig() with { Vocab = 23 };
        LstmFolder.Write(_folder, config, tokenizer, parameters);
    }

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Write_ThenRead_IsTheSameModel()
    {
        var folder = Assert.IsType<LstmFolder>(ModelKinds.Open(_folder));
        using var backend = new CpuBackend(1);
        using var decoder = folder.LoadDecoder(backend);
        using var golden = new LstmFolder(Golden.At("lstm")).LoadDecoder(backend);
        Assert.Equal(golden.Digest, decoder.Digest);
        Assert.Equal(golden.Config, decoder.Config);
        Assert.Equal(new("lstm", 2, 18, 0, 23, 32), folder.ReadShape());
    }

    [Fact]
    public void Digest_IsThatOfTheModelInMemory()
    {
        Change(config => config["vocab_size"] = 300);
        using var backend = new CpuBackend(1);
        WriteWeights(new LstmFolder(_folder).LoadConfig());
        var folder = new LstmFolder(_folder);
        using var decoder = folder.LoadDecoder(backend, WeightFormat.BFloat16);

        Assert.Equal(folder.DigestOf(decoder, folder.LoadTokenizer()), folder.ReadDigest());
    }

    [Fact]
    public void Folders_ThatDoNotFit_AreRefused()
    {
        Refused("the tokenizer has 257 tokens, and vocab_size in config.json is 23", folder => folder.LoadTokenizer());
        Change(config => config["hidden_size"] = 20);
        Refused("has another shape than config.json says; [80, 12] is needed", Load);
        Change(config => (config["hidden_size"], config["num_hidden_layers"]) = (18, 1));
        Refused("is no part of an LSTM of 1 layers, as config.json has it", Load);
        Change(config => config["num_hidden_layers"] = 3);
        Refused("has no tensor 'lstm.weight_ih_l2', which an LSTM of 3 layers needs", Load);
        Change(config => config["tie_word_embeddings"] = true);
        Refused("embedding_size is 12; the head is tied to the embeddings, so it must be hidden_size, 18", Load);
        Change(config => config["proj_size"] = 4);
        Refused("proj_size is 4; what it means is not known here", Load);
        Change(config =>
        {
            config.Remove("proj_size");
            config["vocab_size"] = 0;
        });
        Refused("vocab_size is 0; a whole number, 1 to", Load);

        static object Load(LstmFolder folder)
        {
            using var backend = new CpuBackend(1);
            return folder.LoadDecoder(backend);
        }
    }

    [Fact]
    public void Autoencoders_AreKept_ButDoNotRunAsLanguageModels()
    {
        var folder = new LstmFolder(Golden.At("vae"));
        Assert.Equal(5, folder.LoadConfig().Latent);
        using var backend = new CpuBackend(1);
        Assert.EndsWith(
            "is an autoencoder: its texts follow from latents, and it does not run as a language model.",
            Assert.Throws<ModelFileException>(() => folder.LoadDecoder(backend)).Message, StringComparison.Ordinal);
    }

    private void Change(Action<JsonObject> change)
    {
        var path = Path.Combine(_folder, ModelFiles.Config);
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(config);
        File.WriteAllText(path, config.ToJsonString());
    }

    private void WriteWeights(LstmConfig config)
    {
        var random = new Random(1);
        var writer = new SafetensorsWriter();
        foreach (var (name, rows, columns) in LstmTensors.Parameters(config))
        {
            writer.Add(
                name, LstmTensors.IsVector(name) ? [columns] : [rows, columns],
                [.. Enumerable.Range(0, rows * columns).Select(_ => random.NextSingle())]);
        }

        using var file = File.Create(Path.Combine(_folder, ModelFiles.Weights));
        writer.Write(file);
    }

    private void Refused(string message, Func<LstmFolder, object> read) => Assert.Contains(
        message, Assert.Throws<ModelFileException>(() => read(new(_folder))).Message, StringComparison.Ordinal);
}
