namespace Serving.Tensors.Tests.Conformance;

/// <summary>Random operands, and comparisons.</summary>
internal static class Values
{
    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    public static byte[] RandomBits(int count, double keep, int seed)
    {
        var random = new Random(seed);
        var bits = new byte[PackedMask.ByteCount(count)];
        for (var i = 0; i < count; i++)
        {
            if (random.NextDouble() < keep)
                bits[i / 8] |= (byte)(1 << (i % 8));
        }

        return bits;
    }

    public static bool Bit(byte[] bits, int index) => ((bits[index / 8] >> (index % 8)) & 1) != 0;

    public static Tensor Tensor(TensorBackend backend, int rows, int columns, params float[] values)
    {
        var tensor = backend.Allocate(rows, columns);
        tensor.CopyFrom(values);
        return tensor;
    }

    public static IndexBuffer Indices(TensorBackend backend, params int[] values)
    {
        var indices = backend.AllocateIndices(values.Length);
        indices.Write(values);
        return indices;
    }

    public static IndexBuffer Tokens(TensorBackend backend, params TokenIds[] ids)
    {
        var indices = backend.AllocateIndices(TokenIds.Count * ids.Length);
        indices.WriteTokens(ids);
        return indices;
    }

    /// <summary>What an operation adds to a sum that is 0.</summary>
    public static double Sum(TrainingBackend backend, Action<Scalar> operation)
    {
        using var sums = backend.AllocateScalars(1);
        operation(sums[0]);
        var values = new double[1];
        sums.Read(values);
        return values[0];
    }

    /// <summary>The bits, so that NaN equals itself and -0 differs from +0.</summary>
    public static uint[] Bits(IEnumerable<float> values) => [.. values.Select(BitConverter.SingleToUInt32Bits)];

    /// <summary>The same bits from a backend that promises them; from others, values alike but for rounding.</summary>
    public static void AssertSame(
        TensorBackend backend, Determinism promise, float[] expected, float[] actual, double tolerance) =>
        AssertSame(backend.Determinism, promise, expected, actual, tolerance);

    public static void AssertSame(
        Determinism promised, Determinism needed, float[] expected, float[] actual, double tolerance)
    {
        if (promised.HasFlag(needed))
        {
            Assert.Equal(Bits(expected), Bits(actual));
            return;
        }

        Derivative.AssertClose([.. expected.Select(value => (double)value)], actual, tolerance);
    }
}
