using Serving.Models.Bert;
using Serving.Models.Tests;
using Serving.Tensors.Cpu;
using Serving.Text.Bert;
using Serving.Training.Bert;

namespace Serving.Tensors.Torch.Tests.Models;

/// <summary>The serving encoder gives the vectors that it gives on the CPU backend.</summary>
[NeedsLibtorch]
public sealed class EncoderTests
{
    /// <summary>Of vectors behind a tanh, so at most 1; measured 2.6e-6.</summary>
    private const float Tolerance = 1e-5f;

    /// <summary>The same with activations rounded to 8 bits of significand; measured 2.9e-2.</summary>
    private const float BFloat16Tolerance = 1e-1f;

    private static readonly BertConfig Config =
        new() { Vocab = 300, Hidden = 96, Layers = 4, Heads = 4, Inner = 384, MaxPositions = 128 };

    [Theory]
    [InlineData(WeightFormat.Float32, 0)]
    [InlineData(WeightFormat.BFloat16, 0)]
    [InlineData(WeightFormat.Int8, 0)]
    [InlineData(WeightFormat.Float32, 1 << 20)]
    public void Forward_ManyTasks_GivesWhatTheCpuGives(WeightFormat format, long maskedWeightBytes)
    {
        using var cpu = new CpuBackend(threads: 2);
        using var torch = Libtorch.Backend(new() { MaskedWeightBytes = maskedWeightBytes });
        AssertClose(Vectors(cpu, format), Vectors(torch, format), Tolerance);
        Assert.Equal(0, torch.AllocatedBytes);
    }

    [Fact]
    public void Forward_BFloat16Products_AreAsNearAsTheirRounding()
    {
        using var cpu = new CpuBackend(threads: 2);
        using var torch = Libtorch.Backend(new() { BFloat16Products = true });
        var expected = Vectors(cpu, WeightFormat.BFloat16);
        AssertClose(expected, Vectors(torch, WeightFormat.BFloat16), BFloat16Tolerance);
    }

    [Fact]
    public void Forward_Twice_GivesTheSameBits()
    {
        using var torch = Libtorch.Backend();
        Assert.Equal(Vectors(torch, WeightFormat.Float32), Vectors(torch, WeightFormat.Float32));
    }

    /// <summary>Sequences of many lengths, some alike, each under several tasks.</summary>
    private static float[] Vectors(TensorBackend backend, WeightFormat format)
    {
        using var encoder = BertEncoder.Load(backend, Config, new InitialParameters(seed: 5, deviation: 0.1), format);
        BertMasks[] masks =
            [.. Enumerable.Range(1, 3).Select(seed => BertMasks.Load(
                backend, Config, new RandomMasks(Config, seed, firstLayer: seed - 1)))];
        var batch = new BertBatch();
        int[] lengths = [5, 5, 17, 2, 17, 60, 17, 5];
        int[] sequences = [.. lengths.Select((length, i) => batch.AddSequence(Sequence(length, i)))];
        foreach (var task in (BertMasks?[])[null, .. masks])
        {
            foreach (var sequence in sequences)
                batch.AddBranch(sequence, task);
        }

        using var workspace = encoder.CreateWorkspace(lengths.Sum() * 4, batch.BranchCount);
        var vectors = encoder.Forward(batch, workspace).ToArray();
        foreach (var mask in masks)
            mask.Dispose();
        return vectors;
    }

    private static TokenSequence Sequence(int length, int seed)
    {
        var random = new Random(seed);
        return new(
            [.. Enumerable.Range(0, length).Select(
                _ => new Token(random.Next(Config.Vocab), 0, TokenSource.Text, default))],
            DroppedTokens: 0);
    }

    private static void AssertClose(float[] expected, float[] actual, float tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var worst = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(worst <= tolerance, $"They differ by {worst}.");
    }
}
