using System.Runtime.InteropServices;
using Serving.Models.Decoders;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Models.Tests.Decoders;

/// <summary>A token's logits have the same bits however its sequence was cut, and whatever ran with it.</summary>
public abstract class DecodingSuite : IDisposable
{
    private protected DecodingSuite(Func<CpuBackend, Decoder> load) => Decoder = load(Backend);

    private protected CpuBackend Backend { get; } = new(2);

    private protected Decoder Decoder { get; }

    public void Dispose()
    {
        Decoder.Dispose();
        Backend.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Forward_AnyChunksInAnyCompany_HasTheBitsOfTheWhole(int seed)
    {
        var random = new Random(seed);
        using var alone = new DecoderRun(Decoder, seed);
        using var together = new DecoderRun(Decoder, seed + 100);
        int[][] texts = [.. Enumerable.Range(0, 8).Select(
            _ => Random(random, random.Next(1, Decoder.Config.MaxPositions + 1)))];
        var whole = texts.Select(text =>
        {
            var sequence = alone.NewSequence();
            var logits = alone.Step([(sequence, text)])[0];
            alone.Free(sequence);
            return logits;
        }).ToList();

        // Steps of some of the sequences, each with a part of what is left of it, until all are done.
        var sequences = texts.Select(_ => together.NewSequence()).ToList();
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
    public void Forward_LastOrNoLogits_AreThoseOfAll()
    {
        using var run = new DecoderRun(Decoder);
        var text = Random(new(6), 20);
        var all = run.Step([(run.NewSequence(), text), (run.NewSequence(), text[..5])]);
        var last = run.Step([(run.NewSequence(), text), (run.NewSequence(), text[..5])], logits: LogitRows.Last);
        AssertSameBits(all[0].AsSpan(19 * Decoder.Config.Vocab), last[0]);
        AssertSameBits(all[1].AsSpan(4 * Decoder.Config.Vocab), last[1]);
        Assert.Empty(run.Step([(run.NewSequence(), text)], logits: LogitRows.None)[0]);
    }

    [Fact]
    public void Forward_OnceWarm_AllocatesNothing()
    {
        using var cache = Decoder.CreateCache(blocks: 4);
        using var workspace = Decoder.CreateWorkspace(new(Tokens: 8, Sequences: 2, LogitRows: 2, Blocks: 4));
        CachedSequence[] sequences = [new(Decoder.BlockTokens), new(Decoder.BlockTokens)];
        var batch = new DecoderBatch();
        Assert.Equal(0, Allocations.OnceWarm(Step, runs: 100));

        void Step()
        {
            if (sequences[0].Tokens == Math.Min(sequences[0].Room, Decoder.Config.MaxPositions))
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
            Decoder.Forward(batch, cache, workspace);
        }
    }

    private protected int[] Random(Random random, int tokens) =>
        [.. Enumerable.Range(0, tokens).Select(_ => random.Next(Decoder.Config.Vocab))];

    private protected static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual) =>
        Assert.True(
            MemoryMarshal.Cast<float, uint>(expected).SequenceEqual(MemoryMarshal.Cast<float, uint>(actual)));
}
