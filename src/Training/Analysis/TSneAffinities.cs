using MathNet.Numerics.LinearAlgebra;

namespace Serving.Training.Analysis;

/// <summary>How near points are to each other, as t-SNE sees it: a probability for each pair.</summary>
/// <remarks>van der Maaten and Hinton 2008, sec. 2 and 3.1.</remarks>
internal static class TSneAffinities
{
    private const double Tolerance = 1e-10; // Of the entropy, in nats.
    private const int MostTries = 200;

    /// <summary>The most neighbours that a perplexity can mean; with more, all points are equally near.</summary>
    public static double MostPerplexity(int points) => Math.Max(1, (points - 1) / 3.0);

    /// <summary>p(i, j) = (p(j | i) + p(i | j)) / 2n (eq. 4, unnumbered text).</summary>
    /// <param name="points">[points, coordinates]</param>
    /// <returns>[points][points], symmetric, 0 on the diagonal, 1 in all.</returns>
    public static double[][] Joint(Matrix<double> points, double perplexity, CancellationToken cancellationToken)
    {
        var rows = points.ToRowArrays();
        var count = rows.Length;
        var joint = new double[count][];
        var distances = new double[count];
        for (var i = 0; i < count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            for (var j = 0; j < count; j++)
                distances[j] = SquaredDistance(rows[i], rows[j]);
            joint[i] = new double[count];
            Conditional(distances, i, perplexity, joint[i]);
        }

        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < i; j++)
                joint[i][j] = joint[j][i] = (joint[i][j] + joint[j][i]) / (2 * count);
        }

        return joint;
    }

    /// <summary>
    /// p(j | i): a Gaussian around a point, as narrow as its entropy says: e^entropy is the perplexity (eq. 1).
    /// </summary>
    /// <param name="distances">Squared, from the point to all.</param>
    /// <param name="self">The point, which is no neighbour of its own.</param>
    /// <param name="output">
    /// Sums to 1. Where more points than the perplexity are the nearest, they share it; that is as narrow as it gets.
    /// </param>
    public static void Conditional(ReadOnlySpan<double> distances, int self, double perplexity, Span<double> output)
    {
        var (nearest, sum) = (double.PositiveInfinity, 0.0);
        for (var j = 0; j < distances.Length; j++)
        {
            if (j == self)
                continue;
            nearest = Math.Min(nearest, distances[j]);
            sum += distances[j];
        }

        var mean = (sum / (distances.Length - 1)) - nearest;
        var (precision, least, most) = (mean > 0 ? 1 / mean : 0, 0.0, double.PositiveInfinity);
        var target = Math.Log(perplexity);
        for (var i = 0; i < MostTries; i++)
        {
            var excess = Fill(distances, self, nearest, precision, output) - target;
            if (Math.Abs(excess) <= Tolerance || mean <= 0)
                return;
            if (excess > 0)
                least = precision;
            else
                most = precision;
            precision = double.IsPositiveInfinity(most) ? 2 * precision : (least + most) / 2;
        }
    }

    /// <returns>The entropy, in nats.</returns>
    private static double Fill(
        ReadOnlySpan<double> distances, int self, double nearest, double precision, Span<double> output)
    {
        var (sum, weighted) = (0.0, 0.0);
        for (var j = 0; j < distances.Length; j++)
        {
            var exponent = precision * (distances[j] - nearest);
            output[j] = j == self ? 0 : Math.Exp(-exponent);
            sum += output[j];
            weighted += output[j] * exponent;
        }

        foreach (ref var value in output)
            value /= sum;
        return Math.Log(sum) + (weighted / sum);
    }

    private static double SquaredDistance(double[] a, double[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        return sum;
    }
}
