using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>A function of single elements.</summary>
internal interface IElementFunction
{
    /// <param name="y">What the output holds so far.</param>
    static abstract TVec Of<TSimd, TVec>(TVec a, TVec b, TVec y)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct;
}

/// <summary>Loops over elements. Those that do not fill a vector run one by one, with the same rounding.</summary>
internal static unsafe class ElementKernels<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>y = function(a, b, y).</summary>
    public static void Apply(Elementwise function, float* a, float* b, float* y, int columns)
    {
        switch (function)
        {
            case Elementwise.Gelu:
                Map<Gelu>(a, a, y, columns);
                break;
            case Elementwise.GeluGradient:
                Map<GeluGradient>(a, b, y, columns);
                break;
            case Elementwise.GeluTanh:
                Map<GeluTanh>(a, a, y, columns);
                break;
            case Elementwise.GeluTanhGradient:
                Map<GeluTanhGradient>(a, b, y, columns);
                break;
            case Elementwise.Tanh:
                Map<Tanh>(a, a, y, columns);
                break;
            case Elementwise.TanhGradient:
                Map<TanhGradient>(a, b, y, columns);
                break;
            case Elementwise.Add:
                Map<Add>(a, b, y, columns);
                break;
            default:
                Map<AddProduct>(a, b, y, columns);
                break;
        }
    }

    /// <summary>y = x where the score is above the threshold, +0 elsewhere. Null scores keep all.</summary>
    public static void Keep(float* x, float* scores, float threshold, float* y, int columns)
    {
        if (scores == null)
        {
            new ReadOnlySpan<float>(x, columns).CopyTo(new Span<float>(y, columns));
            return;
        }

        var limit = TSimd.Create(threshold);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            TSimd.Store(y + i, TSimd.KeepAbove(TSimd.Load(scores + i), limit, TSimd.Load(x + i)));
        for (; i < columns; i++)
            y[i] = scores[i] > threshold ? x[i] : 0f;
    }

    /// <summary>y = y + x.</summary>
    public static void AddTo(float* x, float* y, int columns) => Map<Add>(x, y, y, columns);

    /// <summary>Σ x².</summary>
    public static double SumOfSquares(float* x, int columns) => RowKernels<TSimd, TVec>.Dot(x, x, columns);

    /// <summary>One step of Adam or AdamW, see <see cref="AdamStep"/>.</summary>
    public static void Adam(
        float* parameter, float* gradient, float* mean, float* variance, in AdamStep step, int columns)
    {
        var c1 = 1 - Math.Pow(step.Beta1, step.Step);
        var c2 = 1 - Math.Pow(step.Beta2, step.Step);
        var rate = TSimd.Create((float)(-step.LearningRate / c1));
        var inverseRootC2 = TSimd.Create((float)(1 / Math.Sqrt(c2)));
        var kept = TSimd.Create(step.IsDecoupled ? 1 - (step.LearningRate * step.WeightDecay) : 1f);
        var decay = TSimd.Create(step.IsDecoupled ? 0f : step.WeightDecay);
        var scale = TSimd.Create(step.GradientScale);
        var (beta1, rest1) = (TSimd.Create(step.Beta1), TSimd.Create(1 - step.Beta1));
        var (beta2, rest2) = (TSimd.Create(step.Beta2), TSimd.Create(1 - step.Beta2));
        var epsilon = TSimd.Create(step.Epsilon);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
        {
            var p = TSimd.Load(parameter + i);
            var g = TSimd.MultiplyAdd(decay, p, TSimd.Multiply(TSimd.Load(gradient + i), scale));
            var m = TSimd.MultiplyAdd(beta1, TSimd.Load(mean + i), TSimd.Multiply(rest1, g));
            var v = TSimd.MultiplyAdd(beta2, TSimd.Load(variance + i), TSimd.Multiply(rest2, TSimd.Multiply(g, g)));
            TSimd.Store(mean + i, m);
            TSimd.Store(variance + i, v);
            var root = TSimd.MultiplyAdd(TSimd.SquareRoot(v), inverseRootC2, epsilon);
            TSimd.Store(parameter + i, TSimd.MultiplyAdd(rate, TSimd.Divide(m, root), TSimd.Multiply(kept, p)));
        }

        if (i < columns)
        {
            ElementKernels<SimdScalar, float>.Adam(
                parameter + i, gradient + i, mean + i, variance + i, step, columns - i);
        }
    }

    /// <summary>The row's cross-entropy. Writes the scaled gradient, which may overwrite the logits.</summary>
    public static double SoftmaxCrossEntropy(float* logits, int label, float scale, float* gradient, int columns)
    {
        var largest = Largest(logits, columns);
        var ofLabel = (double)logits[label] - largest;
        var sum = ExpSum(logits, largest, gradient, columns);
        var factor = (float)(scale / sum);
        Scale(gradient, factor, columns);
        gradient[label] -= scale;
        return Math.Log(sum) - ofLabel;
    }

    internal static float Largest(float* x, int columns)
    {
        if (columns < TSimd.Count)
            return ElementKernels<SimdScalar, float>.Largest(x, columns);
        var largest = TSimd.Load(x);
        for (var i = TSimd.Count; i <= columns - TSimd.Count; i += TSimd.Count)
            largest = TSimd.Max(largest, TSimd.Load(x + i));
        // Overlaps, which does not change a maximum.
        largest = TSimd.Max(largest, TSimd.Load(x + columns - TSimd.Count));
        return TSimd.MaxElement(largest);
    }

    /// <summary>y = e^(x - offset).</summary>
    /// <returns>The sum.</returns>
    internal static double ExpSum(float* x, float offset, float* y, int columns)
    {
        var offsetVector = TSimd.Create(offset);
        var sum = TSimd.Create(0f);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
        {
            var e = VectorMath<TSimd, TVec>.Exp(TSimd.Subtract(TSimd.Load(x + i), offsetVector));
            TSimd.Store(y + i, e);
            sum = TSimd.Add(sum, e);
        }

        return TSimd.Sum(sum)
            + (i < columns ? ElementKernels<SimdScalar, float>.ExpSum(x + i, offset, y + i, columns - i) : 0);
    }

    internal static void Scale(float* x, float factor, int columns)
    {
        var factorVector = TSimd.Create(factor);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            TSimd.Store(x + i, TSimd.Multiply(TSimd.Load(x + i), factorVector));
        for (; i < columns; i++)
            x[i] *= factor;
    }

    private static void Map<TFunction>(float* a, float* b, float* y, int columns)
        where TFunction : struct, IElementFunction
    {
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            TSimd.Store(y + i, TFunction.Of<TSimd, TVec>(TSimd.Load(a + i), TSimd.Load(b + i), TSimd.Load(y + i)));
        for (; i < columns; i++)
            y[i] = TFunction.Of<SimdScalar, float>(a[i], b[i], y[i]);
    }

    private struct Gelu : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => VectorMath<TS, T>.Gelu(a);
    }

    private struct GeluGradient : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => TS.Multiply(b, VectorMath<TS, T>.GeluSlope(a));
    }

    private struct GeluTanh : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => VectorMath<TS, T>.GeluTanh(a);
    }

    private struct GeluTanhGradient : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => TS.Multiply(b, VectorMath<TS, T>.GeluTanhSlope(a));
    }

    private struct Tanh : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => VectorMath<TS, T>.Tanh(a);
    }

    private struct TanhGradient : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => TS.Multiply(b, TS.Subtract(TS.Create(1f), TS.Multiply(a, a)));
    }

    private struct Add : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => TS.Add(a, b);
    }

    private struct AddProduct : IElementFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Of<TS, T>(T a, T b, T y)
            where TS : struct, ISimd<T>
            where T : struct => TS.MultiplyAdd(a, b, y);
    }
}
