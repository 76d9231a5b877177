namespace Serving.Training.TextMetrics;

/// <summary>How much texts differ from each other.</summary>
public static class Diversity
{
    private const int MostRanks = 5000;

    /// <summary>The share of distinct n-grams among all of all texts (Li et al. 2016, sec. 5, "distinct-n").</summary>
    /// <returns>0 where there are none.</returns>
    public static double Distinct(IEnumerable<ReadOnlyMemory<int>> texts, int n)
    {
        var counts = NGrams.Count(texts.SelectMany(text => NGrams.Of(text, n)));
        return counts.Count == 0 ? 0 : counts.Count / (double)counts.Values.Sum(count => (long)count);
    }

    /// <summary>How many different tokens all texts have ("uniq" of Welleck et al. 2020).</summary>
    public static int Unique(IEnumerable<ReadOnlyMemory<int>> texts) =>
        texts.SelectMany(text => text.ToArray()).Distinct().Count();

    /// <summary>The mean entropy of n-grams, in nats: -Σ f ln f over their relative frequencies.</summary>
    /// <returns>0 where there are none.</returns>
    public static double Entropy(IEnumerable<ReadOnlyMemory<int>> texts, int n)
    {
        var counts = NGrams.Count(texts.SelectMany(text => NGrams.Of(text, n))).Values;
        var all = counts.Sum(count => (double)count);
        return counts.Sum(count => -count / all * Math.Log(count / all));
    }

    /// <summary>
    /// Zipf's exponent: how steeply frequencies fall with their rank, s in frequency ~ rank^-s (Zipf 1949), fitted by
    /// least squares to the logarithms of the 5,000 most frequent tokens (Holtzman et al. 2020, sec. 5).
    /// </summary>
    /// <returns>Not a number where there are fewer than two different tokens.</returns>
    public static double Zipf(IEnumerable<ReadOnlyMemory<int>> texts) => Zipf(
        texts.SelectMany(text => text.ToArray()).CountBy(token => token).Select(count => (long)count.Value));

    /// <summary>The same from how often each token comes.</summary>
    public static double Zipf(IEnumerable<long> counts)
    {
        (double Rank, double Count)[] points = [.. counts.OrderDescending().Take(MostRanks)
            .Select((count, i) => (Math.Log(i + 1), Math.Log(count)))];
        if (points.Length < 2)
            return double.NaN;
        var (rank, count) = (points.Average(point => point.Rank), points.Average(point => point.Count));
        return -points.Sum(point => (point.Rank - rank) * (point.Count - count))
            / points.Sum(point => (point.Rank - rank) * (point.Rank - rank));
    }
}
