namespace Serving.Training.Autograd;

/// <summary>Losses of cosines between rows, with gradients; for some hundred rows, so in double precision.</summary>
internal static class CosineLosses
{
    private const double Epsilon = 1e-8; // For rows of zeros.

    /// <summary>
    /// Cross-entropy, in nats, of the softmax over the cosines of each left row with all right rows; the right class is
    /// its partner (Logeswaran and Lee 2018, eq. 2, with cosines; Aroca-Ouellette and Rudzicz 2020). At least ln(1 + (n
    /// - 1) e⁻²), since cosines are at most 1.
    /// </summary>
    /// <param name="x">Rows of `columns` values.</param>
    /// <param name="left">Rows, each with its partner at the same index of `right`.</param>
    /// <param name="gradient">Shaped like x; added to.</param>
    /// <returns>The sum over the left rows, and how many find their partner.</returns>
    public static (double Loss, int Right) CrossEntropy(
        ReadOnlySpan<float> x, int columns, ReadOnlySpan<int> left, ReadOnlySpan<int> right, double scale,
        Span<float> gradient)
    {
        var (loss, found) = (0.0, 0);
        var cosines = new double[right.Length];
        for (var i = 0; i < left.Length; i++)
        {
            var (sum, best) = (0.0, 0);
            for (var j = 0; j < right.Length; j++)
            {
                cosines[j] = Cosine(Row(x, columns, left[i]), Row(x, columns, right[j]));
                sum += Math.Exp(cosines[j]);
                if (cosines[j] > cosines[best])
                    best = j;
            }

            loss += Math.Log(sum) - cosines[i];
            found += best == i ? 1 : 0;
            for (var j = 0; j < right.Length; j++)
            {
                AddGradient(
                    x, columns, left[i], right[j], scale * ((Math.Exp(cosines[j]) / sum) - (i == j ? 1 : 0)), gradient);
            }
        }

        return (loss, found);
    }

    /// <summary>-ln((1 + cos) / 2) of pairs of rows: cross-entropy of cosines, scaled to 0 to 1, with 1.</summary>
    /// <returns>The sums of losses and of cosines.</returns>
    public static (double Loss, double Cosines) Distance(
        ReadOnlySpan<float> x, int columns, ReadOnlySpan<(int Left, int Right)> pairs, double scale,
        Span<float> gradient)
    {
        var (loss, cosines) = (0.0, 0.0);
        foreach (var (left, right) in pairs)
        {
            var cosine = Cosine(Row(x, columns, left), Row(x, columns, right));
            var shifted = Math.Max(1 + cosine, Epsilon);
            loss -= Math.Log(shifted / 2);
            cosines += cosine;
            AddGradient(x, columns, left, right, -scale / shifted, gradient);
        }

        return (loss, cosines);
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

    /// <summary>Adds a cosine's gradient to those of its two rows.</summary>
    private static void AddGradient(
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
}
