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

    /// <summary>Bits of which 15 in 16 are 1: about what masks keep.</summary>
    public static byte[] Bits(long count, int seed)
    {
        var random = new Random(seed);
        var bytes = new byte[PackedMask.ByteCount(count)];
        var other = new byte[bytes.Length];
        random.NextBytes(bytes);
        for (var repeat = 0; repeat < 3; repeat++)
        {
            random.NextBytes(other);
            for (var i = 0; i < bytes.Length; i++)
                bytes[i] |= other[i];
        }

        if (count % 8 != 0)
            bytes[^1] &= (byte)((1 << (int)(count % 8)) - 1); // Spare bits are 0.
        return bytes;
    }
}
