namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Gradients of layer normalization, a row at a time; its mean and deviation are computed again.</summary>
internal static unsafe class LayerNormGradientKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>The gradient of x; those of gamma and beta are added to, unless they are null.</summary>
    /// <param name="y">The gradient of the output; may be the memory that gets the gradient of x.</param>
    public static void Run(
        float* x, float* gamma, float epsilon, float* y, float* gammaGradient, float* betaGradient, float* xGradient,
        int columns)
    {
        var (mean, scale) = RowKernels<TSimd, TVec>.MeanAndScale(x, epsilon, columns);
        var row = new Row(x, gamma, y, mean, scale);
        var (sum, sumOfProducts) = Sums(row, columns);
        var (average, slope) = (sum / columns, sumOfProducts / columns);
        var vectors = new Terms<TVec>(
            TSimd.Create(mean), TSimd.Create(scale), TSimd.Create(average), TSimd.Create(slope));
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
            Finish<TSimd, TVec>(row, vectors, gammaGradient, betaGradient, xGradient, i);
        var scalars = new Terms<float>(mean, scale, average, slope);
        for (; i < columns; i++)
            Finish<SimdScalar, float>(row, scalars, gammaGradient, betaGradient, xGradient, i);
    }

    /// <returns>Σ g and Σ g n, where n is the normalized x and g the gradient of n.</returns>
    private static (float Sum, float SumOfProducts) Sums(in Row row, int columns)
    {
        var (mean, scale) = (TSimd.Create(row.Mean), TSimd.Create(row.Scale));
        var sum = TSimd.Create(0f);
        var products = TSimd.Create(0f);
        var i = 0;
        for (; i <= columns - TSimd.Count; i += TSimd.Count)
        {
            var normal = TSimd.Multiply(TSimd.Subtract(TSimd.Load(row.X + i), mean), scale);
            var g = TSimd.Multiply(TSimd.Load(row.Y + i), TSimd.Load(row.Gamma + i));
            sum = TSimd.Add(sum, g);
            products = TSimd.MultiplyAdd(g, normal, products);
        }

        var total = TSimd.Sum(sum);
        var totalOfProducts = TSimd.Sum(products);
        for (; i < columns; i++)
        {
            var g = row.Y[i] * row.Gamma[i];
            total += g;
            totalOfProducts += g * (row.X[i] - row.Mean) * row.Scale;
        }

        return (total, totalOfProducts);
    }

    private static void Finish<TS, T>(
        in Row row, in Terms<T> terms, float* gammaGradient, float* betaGradient, float* xGradient, int i)
        where TS : struct, ISimd<T>
        where T : struct
    {
        var normal = TS.Multiply(TS.Subtract(TS.Load(row.X + i), terms.Mean), terms.Scale);
        var y = TS.Load(row.Y + i);
        if (gammaGradient != null)
            TS.Store(gammaGradient + i, TS.MultiplyAdd(y, normal, TS.Load(gammaGradient + i)));
        if (betaGradient != null)
            TS.Store(betaGradient + i, TS.Add(TS.Load(betaGradient + i), y));
        var centered = TS.Subtract(TS.Multiply(y, TS.Load(row.Gamma + i)), terms.Average);
        TS.Store(xGradient + i, TS.Multiply(terms.Scale, TS.Subtract(centered, TS.Multiply(normal, terms.Slope))));
    }

    private readonly struct Row(float* x, float* gamma, float* y, float mean, float scale)
    {
        public readonly float* X = x;
        public readonly float* Gamma = gamma;
        public readonly float* Y = y;
        public readonly float Mean = mean;
        public readonly float Scale = scale;
    }

    private readonly record struct Terms<T>(T Mean, T Scale, T Average, T Slope);
}
