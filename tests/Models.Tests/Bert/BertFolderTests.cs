using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests.Bert;

public sealed class BertFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly CpuBackend _backend = new(1);

    public BertFolderTests()
    {
        foreach (var file in Directory.EnumerateFiles(Golden.At("bert")))
            File.Copy(file, _folder.At(Path.GetFileName(file)));
    }

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("", "weight", "bias")]
    [InlineData("bert.", "weight", "bias")]
    [InlineData("", "gamma", "beta")]
    [InlineData("bert.", "gamma", "beta")]
    public void LoadEncoder_OtherSpellingsOfNames_GiveTheSameModel(string prefix, string weight, string bias)
    {
        using var expected = Golden.Folder.LoadEncoder(_backend);
        Rewrite(name =>
        {
            var renamed = prefix + name["bert.".Length..];
            return name.Contains("LayerNorm", StringComparison.Ordinal)
                ? renamed.Replace(".weight", "." + weight).Replace(".bias", "." + bias)
                : renamed;
        });

        using var encoder = new BertFolder(_folder.Path).LoadEncoder(_backend);

        Assert.Equal(expected.Digest, encoder.Digest);
    }

    [Fact]
    public void LoadEncoder_UnsoundFolders_SayWhatIsNeededAndLeaveNothing()
    {
        Refused(
            "has no tensor 'encoder.layer.1.output.dense.bias', which is needed",
            () => Rewrite(name => name.Contains("1.output.dense.bias", StringComparison.Ordinal) ? "other" : name));
        Refused(
            "hidden_size 48 does not divide into 5 num_attention_heads",
            () => Edit("\"num_attention_heads\": 4", "\"num_attention_heads\": 5"));
        Refused(
            "'bert.embeddings.word_embeddings.weight' F32 [96, 48] has another shape than config.json says; "
            + "[97, 48] is needed for vocab_size and hidden_size",
            () => Edit("\"vocab_size\": 96", "\"vocab_size\": 97"));
        Refused("hidden_act is 'relu'; only 'gelu' or 'gelu_python' runs here", () => Edit("\"gelu\"", "\"relu\""));
        Refused("model_type is 'gpt2'; only 'bert' runs here", () => Edit("\"bert\"", "\"gpt2\""));
        Refused("vocab is 96; what it means is not known here", () => Edit("vocab_size", "vocab"));
        Refused("num_hidden_layers is -3; a whole number, 1 to", () => Edit("layers\": 3", "layers\": -3"));
        Refused("is no BERT configuration", () => File.WriteAllText(_folder.At("config.json"), "{"));
        Refused("config.json is missing.", () => File.Delete(_folder.At("config.json")));
        Refused("model.safetensors is missing", () => File.Delete(_folder.At("model.safetensors")));
        Refused(
            "which can run code and is never read. Convert it",
            () => File.Move(_folder.At("model.safetensors"), _folder.At("pytorch_model-00001-of-00002.bin")));

        void Refused(string message, Action damage)
        {
            damage();
            var exception = Assert.Throws<ModelFileException>(() => new BertFolder(_folder.Path).LoadEncoder(_backend));
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
            Assert.Equal(0, _backend.AllocatedBytes);
            foreach (var file in Directory.EnumerateFiles(Golden.At("bert")))
                File.Copy(file, _folder.At(Path.GetFileName(file)), overwrite: true);
        }
    }

    [Fact]
    public void LoadTokenizer_ReadsVocabularyAndCase()
    {
        var folder = new BertFolder(_folder.Path);
        Assert.True(folder.LoadTokenizer().IsLowercase);
        File.WriteAllText(_folder.At("tokenizer_config.json"), "{\"do_lower_case\": false}");
        Assert.False(folder.LoadTokenizer().IsLowercase);
        File.WriteAllText(_folder.At("vocab.txt"), "a\nb\n");
        Assert.Contains("has no '[UNK]'", Assert.Throws<ModelFileException>(() => folder.LoadTokenizer()).Message);
        File.Delete(_folder.At("vocab.txt"));
        Assert.Throws<ModelFileException>(() => folder.LoadTokenizer());
    }

    private void Edit(string old, string changed)
    {
        var path = _folder.At("config.json");
        var text = File.ReadAllText(path);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(path, text.Replace(old, changed, StringComparison.Ordinal));
    }

    /// <summary>Writes the weights again under other names.</summary>
    private void Rewrite(Func<string, string> rename)
    {
        var writer = new SafetensorsWriter();
        using (var file = SafetensorsFile.Open(Golden.At("bert/model.safetensors")))
        {
            foreach (var entry in file.Entries.Values)
                writer.Add(rename(entry.Name), entry.Type, [.. entry.Shape], file.Bytes(entry.Name).ToArray());
        }

        using var stream = File.Create(_folder.At("model.safetensors"));
        writer.Write(stream);
    }
}
