using System.Runtime.InteropServices;
using Serving.Models.Gpt2;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests.Gpt2;

/// <summary>A token's logits have the same bits however its sequence was cut, and whatever ran with it.</summary>
public sealed class CachedDecodingTests : IDisposable
{
    private readonly CpuBackend _backend = new(2);
    private readonly Gpt2Decoder _decoder;

    public CachedDecodingTests() => _decoder = new Gpt2Folder(Golden.At("gpt2")).LoadDecoder(_backend);

    public void Dispose()
    {
        _decoder.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Forward_AnyChunksInAnyCompany_HasTheBitsOfTheWhole(int seed)
    {
        var random = new Random(seed);
        using var alone = new Gpt2Run(_backend, _decoder, seed);
        using var together = new Gpt2Run(_backend, _decoder, seed + 100);
        int[][] texts = [.. Enumerable.Range(0, 8).Select(_ => Random(random, random.Next(1, 49)))];
        var whole = texts.Select(text =>
        {
            var sequence = new CachedSequence();
            var logits = alone.Step([(sequence, text)])[0];
            alone.Free(sequence);
            return logits;
        }).ToList();

        // Steps of some of the sequences, each with a part of what is left of it, until all are done.
        var sequences = texts.Select(_ => new CachedSequence()).ToList();
        var parts = texts.Select(_ => new List<float>()).ToList();
        while (true)
        {
            int[] left = [.. Enumerable.Range(0, texts.Length).Where(i => sequences[i].Tokens < texts[i].Length)];
            if (left.Length == 0)
                break;
            int[] taken = [.. left.Where(_ => random.Next(2) == 0).DefaultIfEmpty(left[0])];
            random.Shuffle(taken);
            var step = together.Step([.. taken.Select(i => (sequences[i], Next(texts[i], sequences[i].Tokens)))]);
            for (var i = 0; i < taken.Length; i++)
                parts[taken[i]].AddRange(step[i]);
        }

        for (var i = 0; i < texts.Length; i++)
            AssertSameBits(whole[i], CollectionsMarshal.AsSpan(parts[i]));

        int[] Next(int[] text, int done)
        {
            var rest = text.Length - done;
            return text[done..(done + (random.Next(3) == 0 ? 1 : random.Next(1, rest + 1)))];
        }
    }

    [Fact]
    public void Forward_OverSharedBlocks_HasTheBitsOfTheWhole()
    {
        using var run = new Gpt2Run(_backend, _decoder);
        var text = Random(new(5), 40);
        var first = new CachedSequence();
        var whole = run.Step([(first, text)])[0];
        var second = new CachedSequence();
        second.ShareBlock(first.Blocks[0]);
        second.ShareBlock(first.Blocks[1]);
        Assert.Equal(2 * KeyValueCache.BlockTokens, second.Tokens);

        var rest = run.Step([(second, text[second.Tokens..])])[0];

        AssertSameBits(whole.AsSpan(32 * _decoder.Config.Vocab), rest);
        Assert.Throws<InvalidOperationException>(() => second.ShareBlock(first.Blocks[0]));
    }

    [Fact]
    public void Forward_LastOrNoLogits_AreThoseOfAll()
    {
        using var run = new Gpt2Run(_backend, _decoder);
        var text = Random(new(6), 20);
        var all = run.Step([(new(), text), (new(), text[..5])]);
        var last = run.Step([(new(), text), (new(), text[..5])], logits: LogitRows.Last);
        AssertSameBits(all[0].AsSpan(19 * _decoder.Config.Vocab), last[0]);
        AssertSameBits(all[1].AsSpan(4 * _decoder.Config.Vocab), last[1]);
        Assert.Empty(run.Step([(new(), text)], logits: LogitRows.None)[0]);
    }

    [Fact]
    public void Forward_WhatDoesNotFit_IsRefusedAndChangesNothing()
    {
        using var cache = new KeyValueCache(_backend, _decoder.Config, blocks: 4);
        using var workspace = _decoder.CreateWorkspace(new(Tokens: 60, Sequences: 1, LogitRows: 1, Blocks: 4));
        var sequence = new CachedSequence();
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
            var batch = new Gpt2Batch();
            batch.Add(sequence, new int[tokens], LogitRows.Last);
            return Assert.Throws<ShapeException>(() => _decoder.Forward(batch, cache, workspace)).Message;
        }
    }

    [Fact]
    public void Forward_OnceWarm_AllocatesNothing()
    {
        using var cache = new KeyValueCache(_backend, _decoder.Config, blocks: 4);
        using var workspace = _decoder.CreateWorkspace(new(Tokens: 8, Sequences: 2, LogitRows: 2, Blocks: 4));
        CachedSequence[] sequences = [new(), new()];
        var batch = new Gpt2Batch();
        Assert.Equal(0, Allocations.OnceWarm(Step, runs: 100));

        void Step()
        {
            if (sequences[0].Tokens == 0 || sequences[0].Tokens == sequences[0].Room)
            {
                for (var i = 0; i < 2; i++)
                {
                    sequences[i].Clear();
                    sequences[i].AddBlock(i);
                    sequences[i].AddBlock(i + 2);
                }
            }

            batch.Clear();
            batch.Add(sequences[0], [1], LogitRows.Last);
            batch.Add(sequences[1], [2], LogitRows.Last);
            _decoder.Forward(batch, cache, workspace);
        }
    }

    private int[] Random(Random random, int tokens) =>
        [.. Enumerable.Range(0, tokens).Select(_ => random.Next(_decoder.Config.Vocab))];

    private static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual) =>
        Assert.True(
            MemoryMarshal.Cast<float, uint>(expected).SequenceEqual(MemoryMarshal.Cast<float, uint>(actual)));
}
