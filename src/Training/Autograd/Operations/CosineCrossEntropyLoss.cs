namespace Serving.Training.Autograd.Operations;

/// <summary>
/// Cross-entropy, in nats, of the softmax over the cosines of each left row with all right rows; the right class is its
/// partner (Logeswaran and Lee 2018, eq. 2, with cosines; Aroca-Ouellette and Rudzicz 2020).
/// </summary>
/// <remarks>At least ln(1 + (n - 1) e⁻²), since cosines are at most 1.</remarks>
public static class CosineCrossEntropyLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="x">[rows, features]</param>
    /// <param name="left">Rows, each with its partner at the same place of `right`.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / left rows of the step, for that of the mean.</param>
    /// <returns>The sum over the left rows, and how many find their partner.</returns>
    public static (double Loss, int Right) CosineCrossEntropy(
        this Tape tape, Variable x, ReadOnlySpan<int> left, ReadOnlySpan<int> right, float scale)
    {
        var gradient = new float[x.Value.Rows * x.Value.Columns];
        var result = Compute(x.Value.ToArray(), x.Value.Columns, left, right, scale, gradient);
        tape.LossGradientOf(x).CopyFrom(gradient);
        return result;
    }

    /// <param name="x">Rows of `columns` values.</param>
    /// <param name="gradient">Shaped like x; added to.</param>
    internal static (double Loss, int Right) Compute(
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
                cosines[j] = Cosines.Of(x, columns, left[i], right[j]);
                sum += Math.Exp(cosines[j]);
                if (cosines[j] > cosines[best])
                    best = j;
            }

            loss += Math.Log(sum) - cosines[i];
            found += best == i ? 1 : 0;
            for (var j = 0; j < right.Length; j++)
            {
                var ofCosine = scale * ((Math.Exp(cosines[j]) / sum) - (i == j ? 1 : 0));
                Cosines.AddGradient(x, columns, left[i], right[j], ofCosine, gradient);
            }
        }

        return (loss, found);
    }
}
