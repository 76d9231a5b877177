namespace Serving.Training.Autograd;

/// <summary>Cosines between rows, with gradients; for some hundred rows, so in double precision.</summary>
internal static class Cosines
{
    public const double Epsilon = 1e-8; // For rows of zeros.

    /// <param name="x">Rows of `columns` values.</param>
    public static double Of(ReadOnlySpan<float> x, int columns, int left, int right) =>
        Cosine(Row(x, columns, left), Row(x, columns, right));

    /// <summary>Adds a cosine's gradient to those of its two rows.</summary>
    /// <param name="ofCosine">The loss's gradient with respect to the cosine.</param>
    /// <param name="gradient">Shaped like x.</param>
    public static void AddGradient(
        ReadOnlySpan<float> x, int columns, int left, int right, double ofCosine, Span<float> gradient)
    {
        var a = Row(x, columns, left);
        var b = Row(x, columns, right);
        var (dot, normA, normB) = (Dot(a, b), Norm(a), Norm(b));
        var denominator = (normA * normB) + Epsilon;
        var inA = normA == 0 ? 0 : dot * normB / (normA * denominator * denominator);
        var inB = normB == 0 ? 0 : dot * normA / (normB * denominator * denominator);
        for (var i = 0; i < columns; i++)
        {
            gradient[(left * columns) + i] += (float)(ofCosine * ((b[i] / denominator) - (inA * a[i])));
            gradient[(right * columns) + i] += (float)(ofCosine * ((a[i] / denominator) - (inB * b[i])));
        }
    }

    private static ReadOnlySpan<float> Row(ReadOnlySpan<float> x, int columns, int row) =>
        x.Slice(row * columns, columns);

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b) =>
        Dot(a, b) / ((Norm(a) * Norm(b)) + Epsilon);

    private static double Norm(ReadOnlySpan<float> a) => Math.Sqrt(Dot(a, a));

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
