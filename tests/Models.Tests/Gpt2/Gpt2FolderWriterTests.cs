using Serving.Models.Gpt2;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Models.Tests.Gpt2;

public sealed class Gpt2FolderWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Write_WhatWasRead_IsReadAgain()
    {
        using var backend = new CpuBackend(1);
        using var weights = WeightFiles.Open(Golden.At("gpt2/model.safetensors"));
        var tokenizer = BpeTrainer.Train(["the cat"], new() { VocabularySize = 257 });
        var config = new Gpt2Folder(Golden.At("gpt2")).LoadConfig() with { EndToken = 60, BeginToken = 59 };

        Gpt2FolderWriter.Write(_folder.At("model"), config, tokenizer, new Gpt2CheckpointParameters(weights));

        var read = new Gpt2Folder(_folder.At("model"));
        Assert.Equal(config, read.LoadConfig());
        using var expected = Gpt2Decoder.Load(backend, config, new Gpt2CheckpointParameters(weights));
        using var actual = read.LoadDecoder(backend);
        Assert.Equal(expected.Digest, actual.Digest);
        Assert.Throws<IOException>(() => Gpt2FolderWriter.Write(
            _folder.At("model"), config, tokenizer, new Gpt2CheckpointParameters(weights)));
        Gpt2FolderWriter.Write(
            _folder.At("half"), config, tokenizer, new Gpt2CheckpointParameters(weights), WeightFormat.BFloat16);
        using var half = new Gpt2Folder(_folder.At("half")).LoadDecoder(backend);
        Assert.NotEqual(expected.Digest, half.Digest);
    }
}
