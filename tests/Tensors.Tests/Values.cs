using Serving.Tensors.Cpu;

namespace Serving.Tensors.Tests;

/// <summary>Backends of every width this run has, and random operands.</summary>
internal static class Values
{
    /// <summary>Names of the vector widths of this run.</summary>
    public static string[] WidthNames => [.. CpuKernels.Supported().Select(kernels => kernels.Name)];

    public static TheoryData<string> Widths => [.. WidthNames];

    public static CpuBackend Backend(string width, int threads = 1) =>
        new(threads, CpuKernels.Supported().Single(kernels => kernels.Name == width));

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

    /// <summary>The bits, so that NaN equals itself and -0 differs from +0.</summary>
    public static uint[] Bits(IEnumerable<float> values) => [.. values.Select(BitConverter.SingleToUInt32Bits)];
}
