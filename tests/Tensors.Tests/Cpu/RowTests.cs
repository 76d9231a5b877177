using Serving.Tensors.Cpu;
using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Tests.Cpu;

public sealed unsafe class RowTests
{
    public static TheoryData<string> Widths => Values.Widths;

    [Theory]
    [MemberData(nameof(Widths))]
    public void LayerNorm_AnyLength_MatchesTheFormula(string width)
    {
        using var backend = Values.Backend(width, threads: 2);
        foreach (var columns in Enumerable.Range(1, 50).Append(768))
        {
            const int rows = 19;
            var gamma = Values.Random(columns, seed: 1);
            var beta = Values.Random(columns, seed: 2);
            using var x = Values.Tensor(backend, rows, columns, Values.Random(rows * columns, seed: 3));
            using var gammaTensor = Values.Tensor(backend, 1, columns, gamma);
            using var betaTensor = Values.Tensor(backend, 1, columns, beta);
            using var output = backend.Allocate(rows, columns);

            backend.LayerNorm(x, gammaTensor, betaTensor, 1e-3f, output);

            for (var row = 0; row < rows; row++)
            {
                var expected = Oracle.LayerNorm(x.Slice(row, 1).ToArray(), gamma, beta, 1e-3f);
                var actual = output.Slice(row, 1).ToArray();
                for (var i = 0; i < columns; i++)
                    Assert.Equal(expected[i], actual[i], Tolerance.LayerNorm);
            }

            backend.LayerNorm(x, gammaTensor, betaTensor, 1e-3f, x);
            Assert.Equal(Values.Bits(output.ToArray()), Values.Bits(x.ToArray()));
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void EmbeddingSum_AddsTheThreeRows(string width)
    {
        using var backend = Values.Backend(width, threads: 2);
        using var tokens = Values.Tensor(backend, 5, 21, Values.Random(105, seed: 4));
        using var positions = Values.Tensor(backend, 3, 21, Values.Random(63, seed: 5));
        using var types = Values.Tensor(backend, 2, 21, Values.Random(42, seed: 6));
        TokenIds[] ids = [new(4, 0, 1), new(0, 2, 0), new(4, 1, 1)];
        using var output = backend.Allocate(ids.Length, 21);

        backend.EmbeddingSum(tokens, positions, types, ids, output);

        float[] expected =
        [
            .. ids.SelectMany(id => Enumerable.Range(0, 21).Select(i =>
                tokens.ToArray()[(id.Token * 21) + i]
                + positions.ToArray()[(id.Position * 21) + i]
                + types.ToArray()[(id.Type * 21) + i]))
        ];
        Assert.Equal(expected, output.ToArray());
    }

    [Fact]
    public void Activations_FromTinyToHuge_MatchTheFormulas()
    {
        foreach (var kernels in CpuKernels.Supported())
        {
            using var backend = new CpuBackend(1, kernels);
            float[] inputs = [.. Enumerable.Range(-3000, 6001).Select(i => i / 375f), -1e30f, 1e30f, 1e-30f];
            using var one = Values.Tensor(backend, 1, 1, 1);
            using var weight = backend.PackWeight([one]);
            using var x = Values.Tensor(backend, inputs.Length, 1, inputs);
            using var output = backend.Allocate(inputs.Length, 1);
            foreach (var activation in Enum.GetValues<Activation>())
            {
                backend.Linear(x, weight, default, [], activation, default, output);
                var actual = output.ToArray();
                for (var i = 0; i < inputs.Length; i++)
                {
                    var expected = Oracle.Activate(inputs[i], activation);
                    var tolerance = Math.Max(Tolerance.Activation, Math.Abs(expected) * 1e-6f);
                    Assert.Equal(expected, actual[i], tolerance);
                }
            }
        }
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(-10.5f)]
    [InlineData(-50f)]
    [InlineData(5.25f)]
    [InlineData(80f)]
    public void Exp_IsPreciseToAFewBits(float x)
    {
        var value = VectorMath<SimdScalar, float>.Exp(x);
        Assert.Equal(1, value / Math.Exp(x), 2e-7);
    }

    [Theory]
    [InlineData(0x3F808000, 0x3F80)] // A tie goes to the even neighbour below,
    [InlineData(0x3F818000, 0x3F82)] // or above.
    [InlineData(0x3F808001, 0x3F81)]
    [InlineData(0x7F7FFFFF, 0x7F80)] // The largest float rounds to infinity.
    [InlineData(0x80000000, 0x8000)]
    [InlineData(0x7F800001, 0x7FC0)] // A signalling NaN stays a NaN.
    public void BFloat16_RoundsToNearestEven(uint bits, ushort expected) =>
        Assert.Equal(expected, BFloat16.FromSingle(BitConverter.UInt32BitsToSingle(bits)));
}
