using Serving.Tensors;

namespace Serving.Training.TextMetrics;

/// <summary>A ratio with its 95% interval by bootstrap; null where it is not defined, since it divides by 0.</summary>
public sealed record RatioEstimate(double? Value, double? Low, double? High);

/// <summary>
/// Whether a model does worse behind its own texts than behind real ones, which it was trained on (He et al. 2021).
/// </summary>
/// <remarks>
/// Both prefixes have one length, and as many continuations of one length, decoded alike; own prefixes are drawn from
/// the whole distribution of the model, from the beginning of a text, and real ones are held out. Above 1 there is such
/// a bias; it is incremental if it grows with the prefix.
/// </remarks>
public static class ExposureBias
{
    private const double Confidence = 0.95;

    /// <summary>½ Σ |p - q|: 0 to 1.</summary>
    /// <param name="p">Probabilities.</param>
    /// <param name="q">As many.</param>
    public static double TotalVariation(ReadOnlySpan<double> p, ReadOnlySpan<double> q)
    {
        var sum = 0.0;
        for (var i = 0; i < p.Length; i++)
            sum += Math.Abs(p[i] - q[i]);
        return sum / 2;
    }

    /// <summary>The mean divergence from the middle of both (Lin 1991, eq. 3.1), in nats: 0 to ln 2.</summary>
    /// <param name="p">Probabilities.</param>
    /// <param name="q">As many.</param>
    public static double JensenShannon(ReadOnlySpan<double> p, ReadOnlySpan<double> q)
    {
        var sum = 0.0;
        for (var i = 0; i < p.Length; i++)
        {
            var middle = (p[i] + q[i]) / 2;
            sum += Term(p[i], middle) + Term(q[i], middle);
        }

        return sum / 2;

        static double Term(double part, double middle) => part == 0 ? 0 : part * Math.Log(part / middle);
    }

    /// <summary>
    /// EB-C: how far the model's next token is from the teacher's behind its own prefixes, over the same behind real
    /// ones. The teacher is what the model's training texts were drawn from.
    /// </summary>
    /// <param name="behindOwn">Distances, one a prefix.</param>
    /// <param name="behindReal">As many.</param>
    /// <param name="resamples">Of the bootstrap.</param>
    /// <param name="key">What is drawn follows from it.</param>
    public static RatioEstimate Consistency(
        IReadOnlyList<double> behindOwn, IReadOnlyList<double> behindReal, int resamples, ulong key) =>
        Estimate(behindOwn, behindReal, distances => distances.Average(), resamples, key);

    /// <summary>EB-M: a score of continuations of real prefixes over that of those of the model's own.</summary>
    /// <param name="ofReal">Continuations.</param>
    /// <param name="ofOwn">As many.</param>
    /// <param name="score">Of a corpus; more is better.</param>
    /// <param name="resamples">Of the bootstrap.</param>
    /// <param name="key">What is drawn follows from it.</param>
    public static RatioEstimate Quality(
        IReadOnlyList<ReadOnlyMemory<int>> ofReal, IReadOnlyList<ReadOnlyMemory<int>> ofOwn,
        Func<IReadOnlyList<ReadOnlyMemory<int>>, double> score, int resamples, ulong key) =>
        Estimate(ofReal, ofOwn, score, resamples, key);

    private static RatioEstimate Estimate<T>(
        IReadOnlyList<T> above, IReadOnlyList<T> below, Func<IReadOnlyList<T>, double> measure, int resamples,
        ulong key)
    {
        if (above.Count == 0 || above.Count != below.Count)
        {
            throw new ArgumentException(
                $"There are {above.Count} and {below.Count} to compare; as many of both, at least one, are needed.");
        }

        var value = Ratio(measure(above), measure(below));
        double[] drawn = [.. Enumerable.Range(0, resamples).Select(i => Ratio(
                measure(Resample(above, CounterRandom.Bits(key, 2 * (ulong)i))),
                measure(Resample(below, CounterRandom.Bits(key, (2 * (ulong)i) + 1)))))
            .OfType<double>().Order()];
        if (value is null || drawn.Length == 0)
            return new(value, null, null);
        var tail = (1 - Confidence) / 2;
        return new(value, At(drawn, tail), At(drawn, 1 - tail));
    }

    private static double? Ratio(double above, double below) => below == 0 ? null : above / below;

    private static double At(double[] sorted, double share) => sorted[(int)Math.Round(share * (sorted.Length - 1))];

    private static T[] Resample<T>(IReadOnlyList<T> items, ulong key) =>
        [.. items.Select((_, i) => items[(int)(CounterRandom.Uniform(key, (ulong)i) * items.Count)])];
}
