using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Functions of one row of floats.</summary>
internal static unsafe class RowKernels<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>y = gamma (x - mean) / √(variance + epsilon) + beta. y may be x.</summary>
    public static void LayerNorm(float* x, float* gamma, float* beta, float epsilon, float* y, int columns)
    {
        var (mean, scale) = MeanAndScale(x, epsilon, columns);
        var meanVector = TSimd.Create(mean);
        var scaleVector = TSimd.Create(scale);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
        {
            var normal = TSimd.Multiply(TSimd.Subtract(TSimd.Load(x + i), meanVector), scaleVector);
            TSimd.Store(y + i, TSimd.MultiplyAdd(normal, TSimd.Load(gamma + i), TSimd.Load(beta + i)));
        }

        for (; i < columns; i++)
            y[i] = ((x[i] - mean) * scale * gamma[i]) + beta[i];
    }

    /// <returns>The mean, and 1 / √(variance + epsilon).</returns>
    public static (float Mean, float Scale) MeanAndScale(float* x, float epsilon, int columns)
    {
        var mean = Sum(x, columns) / columns;
        return (mean, 1f / MathF.Sqrt((SquaredDeviations(x, mean, columns) / columns) + epsilon));
    }

    /// <summary>x = softmax(scale * x) in place; the largest becomes e^0, so that nothing overflows.</summary>
    /// <param name="columns">A multiple of Count; surplus columns hold -infinity and come out as 0.</param>
    public static void Softmax(float* x, float scale, int columns)
    {
        var largest = TSimd.Load(x);
        for (var i = TSimd.Count; i < columns; i += TSimd.Count)
            largest = TSimd.Max(largest, TSimd.Load(x + i));
        var scaleVector = TSimd.Create(scale);
        var offset = TSimd.Create(-TSimd.MaxElement(largest) * scale);
        var sum = TSimd.Create(0f);
        for (var i = 0; i < columns; i += TSimd.Count)
        {
            var e = VectorMath<TSimd, TVec>.Exp(TSimd.MultiplyAdd(TSimd.Load(x + i), scaleVector, offset));
            TSimd.Store(x + i, e);
            sum = TSimd.Add(sum, e);
        }

        var inverse = TSimd.Create(1f / TSimd.Sum(sum));
        for (var i = 0; i < columns; i += TSimd.Count)
            TSimd.Store(x + i, TSimd.Multiply(TSimd.Load(x + i), inverse));
    }

    /// <summary>Σ a * b.</summary>
    public static float Dot(float* a, float* b, int columns)
    {
        var sum = TSimd.Create(0f);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            sum = TSimd.MultiplyAdd(TSimd.Load(a + i), TSimd.Load(b + i), sum);
        var total = TSimd.Sum(sum);
        for (; i < columns; i++)
            total = SimdScalar.MultiplyAdd(a[i], b[i], total);
        return total;
    }

    /// <summary>y = a + b + c.</summary>
    public static void Sum(float* a, float* b, float* c, float* y, int columns)
    {
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            TSimd.Store(y + i, TSimd.Add(TSimd.Add(TSimd.Load(a + i), TSimd.Load(b + i)), TSimd.Load(c + i)));
        for (; i < columns; i++)
            y[i] = a[i] + b[i] + c[i];
    }

    /// <summary>y = activation(y + bias) + residual, where bias and residual may be null.</summary>
    public static void Finish(float* y, float* bias, Activation activation, float* residual, int columns)
    {
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            TSimd.Store(y + i, Finish(TSimd.Load(y + i), bias, activation, residual, i));

        // The rest goes through a whole vector too, so that a column's bits do not depend on where the row ends.
        if (i == columns)
            return;
        var rest = columns - i;
        float* buffer = stackalloc float[3 * 16];
        new Span<float>(buffer, 3 * 16).Clear();
        CopyRest(y + i, buffer, rest);
        if (bias != null)
            CopyRest(bias + i, buffer + 16, rest);
        if (residual != null)
            CopyRest(residual + i, buffer + 32, rest);
        var finished = Finish(TSimd.Load(buffer), buffer + 16, activation, buffer + 32, 0);
        TSimd.Store(buffer, finished);
        CopyRest(buffer, y + i, rest);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVec Finish(TVec value, float* bias, Activation activation, float* residual, int i)
    {
        if (bias != null)
            value = TSimd.Add(value, TSimd.Load(bias + i));
        if (activation == Activation.Gelu)
            value = VectorMath<TSimd, TVec>.Gelu(value);
        else if (activation == Activation.Tanh)
            value = VectorMath<TSimd, TVec>.Tanh(value);
        else if (activation == Activation.GeluTanh)
            value = VectorMath<TSimd, TVec>.GeluTanh(value);
        if (residual != null)
            value = TSimd.Add(value, TSimd.Load(residual + i));
        return value;
    }

    private static void CopyRest(float* source, float* destination, int count) =>
        new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(destination, count));

    private static float Sum(float* x, int columns)
    {
        var sum = TSimd.Create(0f);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            sum = TSimd.Add(sum, TSimd.Load(x + i));
        var total = TSimd.Sum(sum);
        for (; i < columns; i++)
            total += x[i];
        return total;
    }

    private static float SquaredDeviations(float* x, float mean, int columns)
    {
        var meanVector = TSimd.Create(mean);
        var sum = TSimd.Create(0f);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
        {
            var deviation = TSimd.Subtract(TSimd.Load(x + i), meanVector);
            sum = TSimd.MultiplyAdd(deviation, deviation, sum);
        }

        var total = TSimd.Sum(sum);
        for (; i < columns; i++)
            total += (x[i] - mean) * (x[i] - mean);
        return total;
    }
}
