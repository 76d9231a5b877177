using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Cpu.Tests;

/// <summary>Products have the bits of their scalar twin, at every width.</summary>
public sealed class LinearTests
{
    public static TheoryData<string, int, int, int> Sizes()
    {
        var sizes = new TheoryData<string, int, int, int>();
        foreach (var width in CpuBackends.Widths)
        {
            foreach (var rows in new[] { 1, 2, 3, 5, 7, 13, 14, 15, 29 })
                sizes.Add(width, rows, 33, 19);
            foreach (var outFeatures in new[] { 1, 2, 31, 32, 34, 64, 95 })
                sizes.Add(width, 9, outFeatures, 7);
            foreach (var inFeatures in new[] { 1, 31, 255, 256, 257, 600 })
                sizes.Add(width, 6, 40, inFeatures);

            // Several tiles share the weights of a slice, and there are several slices, panels and blocks of rows.
            sizes.Add(width, 15, 64, 300);
            sizes.Add(width, 45, 96, 600);
            sizes.Add(width, 150, 70, 130);
        }

        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Linear_AnySize_HasTheScalarTwinsBits(string width, int rows, int outFeatures, int inFeatures)
    {
        using var backend = CpuBackends.Backend(width, threads: 2);
        var x = Values.Random(rows * inFeatures, seed: 1);
        var w = Values.Random(outFeatures * inFeatures, seed: 2);
        var keep = Values.RandomBits(outFeatures * inFeatures, keep: 0.7, seed: 3);

        Assert.Equal(
            Values.Bits(ScalarGemm.Run(x, w, keep: [], rows, outFeatures, inFeatures)),
            Values.Bits(Product(backend, x, w, keep: null, rows, outFeatures, inFeatures)));
        Assert.Equal(
            Values.Bits(ScalarGemm.Run(x, w, keep, rows, outFeatures, inFeatures)),
            Values.Bits(Product(backend, x, w, keep, rows, outFeatures, inFeatures)));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Linear_BFloat16_IsTheProductWithRoundedWeights(string width, int rows, int outFeatures, int inFeatures)
    {
        using var backend = CpuBackends.Backend(width);
        var x = Values.Random(rows * inFeatures, seed: 4);
        var w = Values.Random(outFeatures * inFeatures, seed: 5);
        var keep = Values.RandomBits(outFeatures * inFeatures, keep: 0.5, seed: 6);
        float[] rounded = [.. w.Select(value => BFloat16.ToSingle(BFloat16.FromSingle(value)))];

        Assert.Equal(
            Values.Bits(ScalarGemm.Run(x, rounded, keep: [], rows, outFeatures, inFeatures)),
            Values.Bits(Product(backend, x, w, keep: null, rows, outFeatures, inFeatures, WeightFormat.BFloat16)));
        Assert.Equal(
            Values.Bits(ScalarGemm.Run(x, rounded, keep, rows, outFeatures, inFeatures)),
            Values.Bits(Product(backend, x, w, keep, rows, outFeatures, inFeatures, WeightFormat.BFloat16)));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Linear_Int8_IsTheProductWithRoundedWeights(string width, int rows, int outFeatures, int inFeatures)
    {
        using var backend = CpuBackends.Backend(width);
        var x = Values.Random(rows * inFeatures, seed: 7);
        var w = Values.Random(outFeatures * inFeatures, seed: 8);
        var keep = Values.RandomBits(outFeatures * inFeatures, keep: 0.5, seed: 9);
        float[] rounded = [.. w.Chunk(inFeatures).SelectMany(row => row.Chunk(Int8Blocks.Terms)).SelectMany(Rounded)];

        Assert.Equal(
            Values.Bits(ScalarGemm.Run(x, rounded, keep: [], rows, outFeatures, inFeatures)),
            Values.Bits(Product(backend, x, w, keep: null, rows, outFeatures, inFeatures, WeightFormat.Int8)));
        Assert.Equal(
            Values.Bits(ScalarGemm.Run(x, rounded, keep, rows, outFeatures, inFeatures)),
            Values.Bits(Product(backend, x, w, keep, rows, outFeatures, inFeatures, WeightFormat.Int8)));

        static IEnumerable<float> Rounded(float[] block)
        {
            var numbers = new sbyte[block.Length];
            var scale = Int8Blocks.Quantize(block, numbers);
            return numbers.Select(number => number * scale);
        }
    }

    private static float[] Product(
        CpuBackend backend,
        float[] x,
        float[] w,
        byte[]? keep,
        int rows,
        int outFeatures,
        int inFeatures,
        WeightFormat format = WeightFormat.Float32)
    {
        using var input = Values.Tensor(backend, rows, inFeatures, x);
        using var dense = Values.Tensor(backend, outFeatures, inFeatures, w);
        using var weight = backend.PackWeight([dense], format);
        using var masks = backend.AllocateMasks([(outFeatures, inFeatures)]);
        using var output = backend.Allocate(rows, outFeatures);
        RowSegment[] segments = [];
        if (keep is not null)
        {
            masks.Masks[0].Write(0, outFeatures, keep);
            segments = [new(rows, masks.Masks[0])];
        }

        backend.Linear(input, weight, default, segments, Activation.None, default, output);
        return output.ToArray();
    }
}
