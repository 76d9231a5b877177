namespace Serving.Training.Autograd.Operations;

/// <summary>-ln((1 + cos) / 2) of pairs of rows: cross-entropy of cosines, scaled to 0 to 1, with 1.</summary>
public static class CosineDistanceLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="x">[rows, features]</param>
    /// <param name="pairs">Rows that are to be near each other.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / pairs of the step, for that of the mean.</param>
    /// <returns>The sums of losses and of cosines.</returns>
    public static (double Loss, double Cosines) CosineDistance(
        this Tape tape, Variable x, ReadOnlySpan<(int Left, int Right)> pairs, float scale)
    {
        var gradient = new float[x.Value.Rows * x.Value.Columns];
        var result = Compute(x.Value.ToArray(), x.Value.Columns, pairs, scale, gradient);
        tape.LossGradientOf(x).CopyFrom(gradient);
        return result;
    }

    /// <param name="x">Rows of `columns` values.</param>
    /// <param name="gradient">Shaped like x; added to.</param>
    internal static (double Loss, double Cosines) Compute(
        ReadOnlySpan<float> x, int columns, ReadOnlySpan<(int Left, int Right)> pairs, double scale,
        Span<float> gradient)
    {
        var (loss, cosines) = (0.0, 0.0);
        foreach (var (left, right) in pairs)
        {
            var cosine = Cosines.Of(x, columns, left, right);
            var shifted = Math.Max(1 + cosine, Cosines.Epsilon);
            loss -= Math.Log(shifted / 2);
            cosines += cosine;
            Cosines.AddGradient(x, columns, left, right, -scale / shifted, gradient);
        }

        return (loss, cosines);
    }
}
