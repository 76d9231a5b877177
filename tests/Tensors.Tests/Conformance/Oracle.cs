namespace Serving.Tensors.Tests.Conformance;

/// <summary>Formulas in double, written down as the papers have them.</summary>
internal static class Oracle
{
    /// <summary>What dropout multiplies by, straight from its definition.</summary>
    public static float[] Factors(Dropout dropout, int rows, int columns)
    {
        var factors = new float[rows * columns];
        var groups = (columns + 15) / 16;
        for (var i = 0; i < factors.Length; i++)
        {
            var (row, column) = (i / columns, i % columns);
            var bits = CounterRandom.Bits(
                dropout.Key, (ulong)((((row * groups) + (column / 16)) * 4) + (column % 16 / 4)));
            factors[i] = (ushort)(bits >> (16 * (column % 4))) >= dropout.Threshold ? dropout.Scale : 0f;
        }

        return factors;
    }

    public static double[] LayerNorm(float[] row, float[] gamma, float[] beta, double epsilon)
    {
        var mean = row.Average(value => (double)value);
        var variance = row.Average(value => (value - mean) * (value - mean));
        return [.. row.Select((value, i) => ((value - mean) / Math.Sqrt(variance + epsilon) * gamma[i]) + beta[i])];
    }

    /// <summary>One head of one sequence; all [length, headDim].</summary>
    public static double[][] Attention(float[][] query, float[][] key, float[][] value)
    {
        var headDim = query[0].Length;
        return [.. query.Select(q =>
        {
            double[] scores = [.. key.Select(k => q.Zip(k, (a, b) => (double)a * b).Sum() / Math.Sqrt(headDim))];
            double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
            return (double[])[.. Enumerable.Range(0, headDim)
                .Select(d => weights.Zip(value, (w, v) => w * v[d]).Sum() / weights.Sum())];
        })];
    }
}

/// <summary>Bounds, each with what was measured.</summary>
internal static class Tolerance
{
    /// <summary>GELU and tanh of values up to 8: measured 9.6e-7 (one unit in the last place), 1.8e-7.</summary>
    public const float Activation = 2e-6f;

    /// <summary>Layer normalization of 768 values: measured 7.7e-7 at most.</summary>
    public const double LayerNorm = 2e-6;

    /// <summary>Products of up to 900 terms of values in [-1, 1]: measured 3.3e-5 at most, of sums up to 30.</summary>
    public const double Product = 6e-5;

    /// <summary>Every operation on some thousand values in [-1, 1], relative to the largest.</summary>
    public const double Operation = 1e-5;

    /// <summary>Attention over up to 70 keys of values in [-1, 1]: measured 1.2e-7 at most.</summary>
    public const double Attention = 5e-7;
}
