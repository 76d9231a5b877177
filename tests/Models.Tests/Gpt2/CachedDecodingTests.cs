using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Tests.Decoders;
using Serving.Tensors;

namespace Serving.Models.Tests.Gpt2;

/// <summary>Decoding over cached keys and values.</summary>
public sealed class CachedDecodingTests()
    : DecodingSuite(backend => new Gpt2Folder(Golden.At("gpt2")).LoadDecoder(backend))
{
    [Fact]
    public void Forward_OverSharedBlocks_HasTheBitsOfTheWhole()
    {
        using var run = new DecoderRun(Decoder);
        var text = Random(new(5), 40);
        var first = run.NewSequence();
        var whole = run.Step([(first, text)])[0];
        var second = run.NewSequence();
        second.ShareBlock(first.Blocks[0]);
        second.ShareBlock(first.Blocks[1]);
        Assert.Equal(2 * KeyValueCache.BlockTokens, second.Tokens);

        var rest = run.Step([(second, text[second.Tokens..])])[0];

        AssertSameBits(whole.AsSpan(32 * Decoder.Config.Vocab), rest);
        Assert.Throws<InvalidOperationException>(() => second.ShareBlock(first.Blocks[0]));
    }

    [Fact]
    public void Forward_WhatDoesNotFit_IsRefusedAndChangesNothing()
    {
        using var cache = Decoder.CreateCache(blocks: 4);
        using var workspace = Decoder.CreateWorkspace(new(Tokens: 60, Sequences: 1, LogitRows: 1, Blocks: 4));
        var sequence = new CachedSequence(KeyValueCache.BlockTokens);
        sequence.AddBlock(2);
        Assert.Equal(
            "Forward: sequence 0 has 0 tokens and gets 17 more; its blocks have room for 16, the model for 48.",
            Refusal(17));
        for (var block = 0; block < 3; block++)
            sequence.AddBlock(block == 2 ? 3 : block);
        Assert.Contains("gets 49 more; its blocks have room for 64, the model for 48.", Refusal(49));
        Assert.Contains("the batch has 1 sequences, 61 tokens", Refusal(61));
        Assert.Equal(0, sequence.Tokens);

        string Refusal(int tokens)
        {
            var batch = new DecoderBatch();
            batch.Add(sequence, new int[tokens], LogitRows.Last);
            return Assert.Throws<ShapeException>(() => Decoder.Forward(batch, cache, workspace)).Message;
        }
    }
}

/// <summary>The same with weights of 16 bits.</summary>
public sealed class BFloat16DecodingTests()
    : DecodingSuite(backend => new Gpt2Folder(Golden.At("gpt2")).LoadDecoder(backend, WeightFormat.BFloat16));

/// <summary>The same with weights of 8 bits.</summary>
public sealed class Int8DecodingTests()
    : DecodingSuite(backend => new Gpt2Folder(Golden.At("gpt2")).LoadDecoder(backend, WeightFormat.Int8));
