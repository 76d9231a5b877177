namespace Serving.Tensors.Cpu;

/// <summary>Sums in an array: operations have ended when they return.</summary>
internal sealed class CpuScalarBuffer(int count) : ScalarBuffer(count)
{
    private readonly double[] _values = new double[count];

    /// <summary>Adds to a sum of such a buffer.</summary>
    public static void Add(Scalar scalar, double value) =>
        ((CpuScalarBuffer)scalar.Buffer)._values[scalar.Index] += value;

    public override void Read(Span<double> values) => _values.AsSpan(0, values.Length).CopyTo(values);

    public override void Clear() => Array.Clear(_values);

    public override void Dispose()
    {
    }
}
