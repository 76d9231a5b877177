namespace Serving.Tensors.Tests.Conformance;

/// <summary>Derivatives of a formula by central differences in double, to compare analytic gradients with.</summary>
internal static class Derivative
{
    /// <summary>The gradient of Σ weights ⊙ formula(x).</summary>
    /// <param name="weights">The gradient that comes in from behind.</param>
    public static double[] Of(Func<double[], double[]> formula, float[] x, float[] weights)
    {
        double[] point = [.. x.Select(value => (double)value)];
        var gradient = new double[x.Length];
        for (var i = 0; i < x.Length; i++)
        {
            var step = 1e-5 * Math.Max(1, Math.Abs(point[i]));
            var value = point[i];
            point[i] = value + step;
            var above = Weighted(formula(point), weights);
            point[i] = value - step;
            var below = Weighted(formula(point), weights);
            point[i] = value;
            gradient[i] = (above - below) / (2 * step);
        }

        return gradient;
    }

    public static void AssertClose(double[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = expected.Select(Math.Abs).Append(1).Max();
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= tolerance * scale, $"[{i}] {actual[i]} instead of {expected[i]}");
        }
    }

    private static double Weighted(double[] values, float[] weights) =>
        values.Zip(weights, (value, weight) => value * weight).Sum();
}
