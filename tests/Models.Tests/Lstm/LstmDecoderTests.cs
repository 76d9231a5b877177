using Serving.Models.Decoders;
using Serving.Models.Lstm;
using Serving.Models.Safetensors;
using Serving.Models.Tests.Decoders;
using Serving.Tensors;

namespace Serving.Models.Tests.Lstm;

/// <summary>Decoding from states, against PyTorch in float64: see golden/make_lstm.py.</summary>
public sealed class LstmDecoderTests()
    : DecodingSuite(backend => new LstmFolder(Golden.At("lstm")).LoadDecoder(backend))
{
    private const int Sequences = 3;

    /// <summary>As the model in training has it, which was measured.</summary>
    private const double Tolerance = 1e-6;

    [Fact]
    public void Forward_Logits_ArePyTorchs()
    {
        using var golden = SafetensorsFile.Open(Golden.At("lstm/golden.safetensors"));
        using var run = new DecoderRun(Decoder);

        var logits = run.Step(
            [.. Enumerable.Range(0, Sequences).Select(i => (run.NewSequence(), Ids(golden, $"{i}.ids")))]);

        for (var i = 0; i < Sequences; i++)
        {
            var expected = new float[logits[i].Length];
            golden.ReadFloats($"{i}.logits", 0, expected);
            for (var at = 0; at < expected.Length; at++)
                Assert.Equal(expected[at], (double)logits[i][at], Tolerance);
        }
    }

    /// <summary>The state of the one that had the block before is not the beginning of the next.</summary>
    [Fact]
    public void Forward_InABlockThatWasUsed_BeginsFromZeros()
    {
        using var run = new DecoderRun(Decoder);
        var sequence = run.NewSequence();
        var first = run.Step([(sequence, [1, 2, 3])])[0];
        var block = sequence.Blocks[0];
        sequence.Clear();
        sequence.AddBlock(block);

        Assert.Equal(first, run.Step([(sequence, [1, 2, 3])])[0]);
    }

    /// <summary>A step that fails can be run again: no state has changed.</summary>
    [Fact]
    public void Forward_ThatIsRefused_ChangesNothing()
    {
        using var cache = Decoder.CreateCache(blocks: 1);
        using var workspace = Decoder.CreateWorkspace(new(Tokens: 4, Sequences: 1, LogitRows: 4, Blocks: 1));
        var sequence = new CachedSequence(Decoder.BlockTokens);
        sequence.AddBlock(0);
        Run([1, 2]);
        var batch = new DecoderBatch();
        batch.Add(sequence, [3, Decoder.Config.Vocab], LogitRows.All);
        Assert.Throws<ShapeException>(() => Decoder.Forward(batch, cache, workspace));
        Assert.Equal(2, sequence.Tokens);
        var rest = Run([3, 4]);

        using var run = new DecoderRun(Decoder);
        AssertSameBits(run.Step([(run.NewSequence(), [1, 2, 3, 4])])[0].AsSpan(2 * Decoder.Config.Vocab), rest);

        float[] Run(int[] tokens)
        {
            var next = new DecoderBatch();
            next.Add(sequence, tokens, LogitRows.All);
            return Decoder.Forward(next, cache, workspace).ToArray();
        }
    }

    [Fact]
    public void State_IsAllThatIsKept_WhateverTheLength()
    {
        using var one = Decoder.CreateCache(blocks: 1);
        using var two = Decoder.CreateCache(blocks: 2);
        Assert.Equal(1, Decoder.BlocksOf(Decoder.Config.MaxPositions));
        Assert.True(one.Bytes > 0);
        Assert.True(two.Bytes > one.Bytes);
    }

    private static int[] Ids(SafetensorsFile file, string name)
    {
        var bytes = file.Bytes(name).ToArray();
        return [.. Enumerable.Range(0, bytes.Length / sizeof(long))
            .Select(i => (int)BitConverter.ToInt64(bytes, i * sizeof(long)))];
    }
}
