using Serving.Tensors.Cpu;

namespace Serving.Models.Tests.Bert;

/// <summary>What lies under the names of a model's files, and beside them in their place.</summary>
public sealed class FolderFilesTests : IDisposable
{
    private readonly SmallFolder _folder = new();
    private readonly CpuBackend _backend = new(1);

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(ModelFiles.Config)]
    [InlineData(ModelFiles.Weights)]
    [InlineData(ModelFiles.Vocabulary)]
    [InlineData(ModelFiles.Tokenizer)]
    [InlineData(ModelFiles.TokenizerConfig)]
    [InlineData(ModelFiles.SpecialTokens)]
    [InlineData(ModelFiles.AddedTokens)]
    public void Name_OfAFolderOrOfALinkThatLeadsNowhere_IsRefused(string name)
    {
        File.Delete(_folder.At(name));
        Directory.CreateDirectory(_folder.At(name));
        Assert.Contains($"{name} is a folder; a file is needed.", Refusal(), StringComparison.Ordinal);
        Directory.Delete(_folder.At(name));

        File.CreateSymbolicLink(_folder.At(name), "../../blobs/0a1b");
        Assert.Contains(
            $"{name} is a link to ../../blobs/0a1b, where there is nothing; copy the files themselves", Refusal(),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ModelFiles.Config)]
    [InlineData(ModelFiles.Tokenizer)]
    [InlineData(ModelFiles.TokenizerConfig)]
    [InlineData(ModelFiles.SpecialTokens)]
    [InlineData(ModelFiles.AddedTokens)]
    public void Json_ThatIsEmptyOrBreaksOff_IsRefusedWithItsPlace(string name)
    {
        _folder.Write(name, " \n");
        Assert.Contains($"{name} is empty, no ", Refusal(), StringComparison.Ordinal);
        _folder.Write(name, "{\n\"a\": 1,\n  \"b\": NaN");
        Assert.Contains(": line 3, byte 8: 'N' is an invalid start of a value.", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Links_ToFiles_AreFollowed()
    {
        using var blobs = new Testing.TemporaryFolder();
        foreach (var file in Directory.GetFiles(_folder.Path))
        {
            var blob = blobs.At(Path.GetFileName(file));
            File.Move(file, blob);
            File.CreateSymbolicLink(file, blob);
        }

        using var encoder = _folder.Model.LoadEncoder(_backend);
        using var golden = Golden.Folder.LoadEncoder(_backend);
        Assert.Equal(golden.Backbone, encoder.Backbone);
    }

    [Theory]
    [InlineData("pytorch_model.bin", "a pickle, which can run code and is never read. Convert it")]
    [InlineData("model.pt", "a pickle, which can run code")]
    [InlineData("tf_model.h5", "of TensorFlow, which is not read. Convert it with from_tf=True")]
    [InlineData("bert_model.ckpt.index", "of TensorFlow, which is not read")]
    [InlineData("flax_model.msgpack", "of Flax, which is not read")]
    [InlineData("model.onnx", "'serving models import' makes a folder")]
    [InlineData("model.fp16.safetensors", "model.fp16.safetensors, not in model.safetensors. If they are the model's")]
    [InlineData("model-00001-of-00002.safetensors", "no model.safetensors.index.json, which says")]
    [InlineData("notes.txt", "model.safetensors is missing; a model is a folder with")]
    public void Weights_OfAnotherNameOrFormat_AreNamedWithTheRemedy(string name, string message)
    {
        File.Move(_folder.At(ModelFiles.Weights), _folder.At(name));
        var refusal = Refusal();
        Assert.Contains(message, refusal, StringComparison.Ordinal);
        Assert.Equal(name != "notes.txt", refusal.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public void Weights_ThatAreAZipArchive_AreNamedForWhatTheyAre()
    {
        File.WriteAllBytes(_folder.At(ModelFiles.Weights), [.. "PK\u0003\u0004"u8, .. new byte[5000]]);
        Assert.Contains("model.safetensors is a zip archive, as pickled weights are", Refusal());
    }

    private string Refusal() =>
        Assert.Throws<ModelFileException>(() => _folder.Model.LoadEncoder(_backend)).Message;
}
