using Serving.Tensors;

namespace Serving.Bench;

/// <summary>Random weights and masks from a seed.</summary>
internal static class RandomTensors
{
    /// <summary>Normally distributed values, with the standard deviation that BERT starts from.</summary>
    public static Tensor Normal(TensorBackend backend, int rows, int columns, int seed)
    {
        var tensor = backend.Allocate(rows, columns);
        tensor.CopyFrom(NormalValues((long)rows * columns, seed));
        return tensor;
    }

    public static float[] NormalValues(long count, int seed)
    {
        const double standardDeviation = 0.02;
        var random = new Random(seed);
        var values = new float[count];
        for (var i = 0; i < values.Length; i++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(standardDeviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return values;
    }

    /// <summary>Bits of which about the fraction `keep` is 1.</summary>
    public static byte[] Bits(long count, double keep, int seed)
    {
        var random = new Random(seed);
        var bytes = new byte[PackedMask.ByteCount(count)];
        for (var i = 0L; i < count; i++)
        {
            if (random.NextDouble() < keep)
                bytes[i / 8] |= (byte)(1 << (int)(i % 8));
        }

        return bytes;
    }
}
