using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Models.Tests.Gpt2;

/// <summary>Every intermediate result as golden/make_gpt2.py has it, in float64.</summary>
public sealed class Gpt2GoldenTests
{
    private const int Sequences = 3;

    /// <summary>Values are of size 1 to 10. Measured 5.0e-6 at most.</summary>
    private const double Tolerance = 2e-5;

    /// <summary>The same with weights, and embeddings, of 8 bits of significand.</summary>
    private const double BFloat16Tolerance = 0.2;

    /// <summary>The same with weights of 8 bits and scales: measured 0.240 at most.</summary>
    private const double Int8Tolerance = 0.5;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Forward_EveryIntermediate_IsTheGenerators(int threads)
    {
        using var golden = SafetensorsFile.Open(Golden.At("gpt2/golden.safetensors"));
        using var backend = new CpuBackend(threads);
        using var decoder = new Gpt2Folder(Golden.At("gpt2")).LoadDecoder(backend);
        using var run = new Gpt2Run(decoder);
        var seen = 0;

        var logits = run.Step(Parts(golden), (name, output) =>
        {
            seen++;
            var row = 0;
            for (var sequence = 0; sequence < Sequences; sequence++)
            {
                var expected = Floats(golden, $"{sequence}.{name}");
                var rows = expected.Length / output.Columns;
                AssertClose(expected, output.Slice(row, rows).ToArray(), Tolerance);
                row += rows;
            }
        });

        Assert.Equal(2 + (7 * decoder.Config.Layers), seen);
        for (var sequence = 0; sequence < Sequences; sequence++)
            AssertClose(Floats(golden, $"{sequence}.logits"), logits[sequence], Tolerance);
    }

    [Theory]
    [InlineData(WeightFormat.BFloat16, BFloat16Tolerance)]
    [InlineData(WeightFormat.Int8, Int8Tolerance)]
    public void Forward_RoundedWeights_IsNearTheGenerators(WeightFormat format, double tolerance)
    {
        using var golden = SafetensorsFile.Open(Golden.At("gpt2/golden.safetensors"));
        using var backend = new CpuBackend(2);
        using var decoder = new Gpt2Folder(Golden.At("gpt2")).LoadDecoder(backend, format);
        using var run = new Gpt2Run(decoder);
        var logits = run.Step(Parts(golden));
        var largest = Enumerable.Range(0, Sequences).Max(sequence => Floats(golden, $"{sequence}.logits")
            .Zip(logits[sequence], (expected, actual) => Math.Abs(expected - actual)).Max());
        Assert.InRange(largest, 0, tolerance);
    }

    internal static int[] Tokens(SafetensorsFile golden, int sequence)
    {
        var bytes = golden.Bytes($"{sequence}.ids").ToArray();
        return [.. Enumerable.Range(0, bytes.Length / sizeof(long))
            .Select(i => (int)BitConverter.ToInt64(bytes, i * sizeof(long)))];
    }

    private static List<(CachedSequence, int[])> Parts(SafetensorsFile golden) =>
        [.. Enumerable.Range(0, Sequences).Select(
            sequence => (new CachedSequence(KeyValueCache.BlockTokens), Tokens(golden, sequence)))];

    private static float[] Floats(SafetensorsFile golden, string name)
    {
        var values = new float[golden.Entry(name).ByteCount / sizeof(float)];
        golden.ReadFloats(name, 0, values);
        return values;
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], (double)actual[i], tolerance);
    }
}
