namespace Serving.Training.Analysis;

/// <summary>The mean of differences of pairs, with an interval that has it at 90% (Student 1908).</summary>
/// <remarks>
/// Two one-sided tests at 5% call two equivalent within a margin if this interval is within it (Schuirmann 1987).
/// </remarks>
public sealed record PairedDifference(double Mean, double Lower, double Upper)
{
    // The 95% quantiles of Student's distribution with 1 to 30 degrees of freedom.
    private static readonly double[] Quantiles =
    [
        6.3138, 2.9200, 2.3534, 2.1318, 2.0150, 1.9432, 1.8946, 1.8595, 1.8331, 1.8125, 1.7959, 1.7823, 1.7709, 1.7613,
        1.7531, 1.7459, 1.7396, 1.7341, 1.7291, 1.7247, 1.7207, 1.7171, 1.7139, 1.7109, 1.7081, 1.7056, 1.7033, 1.7011,
        1.6991, 1.6973
    ];

    /// <returns>Null for fewer than two pairs, which say nothing of their spread.</returns>
    public static PairedDifference? Of(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        double[] differences = [.. a.Zip(b, (x, y) => x - y)];
        if (differences.Length < 2)
            return null;
        var mean = differences.Average();
        var variance = differences.Sum(each => (each - mean) * (each - mean)) / (differences.Length - 1);
        var quantile = Quantiles[Math.Min(differences.Length - 1, Quantiles.Length) - 1];
        var half = quantile * Math.Sqrt(variance / differences.Length);
        return new(mean, mean - half, mean + half);
    }

    /// <summary>Whether all of the interval is nearer to 0 than a margin.</summary>
    public bool IsWithin(double margin) => Lower > -margin && Upper < margin;
}
