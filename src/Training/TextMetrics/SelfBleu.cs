namespace Serving.Training.TextMetrics;

/// <summary>How much texts resemble each other: BLEU of each with all others as references (Zhu et al. 2018).</summary>
public static class SelfBleu
{
    /// <summary>Stands for no n-gram in common (Chen and Cherry 2014, smoothing 1).</summary>
    private const double Smoothed = 0.1;

    /// <summary>The mean of the texts' BLEU (Papineni et al. 2002), over n-grams of 1 to n tokens, equally weighted.
    /// </summary>
    /// <param name="n">4 and 5 are usual.</param>
    /// <exception cref="ArgumentException">There are fewer than two texts.</exception>
    public static double Of(IReadOnlyList<ReadOnlyMemory<int>> texts, int n)
    {
        if (texts.Count < 2)
            throw new ArgumentException($"There are {texts.Count} texts; two or more are needed to compare them.");
        var logarithms = new double[texts.Count];
        for (var order = 1; order <= n; order++)
            AddPrecisions(texts, order, n, logarithms);
        int[] lengths = [.. texts.Select(text => text.Length).Order()];
        return texts.Select((text, i) => Penalty(text.Length, lengths) * Math.Exp(logarithms[i])).Average();
    }

    /// <summary>Adds the logarithms of texts' precisions; -∞ where one has no token in common with others.</summary>
    private static void AddPrecisions(IReadOnlyList<ReadOnlyMemory<int>> texts, int order, int n, double[] logarithms)
    {
        List<Dictionary<int[], int>> counts = [.. texts.Select(text => NGrams.Count(NGrams.Of(text, order)))];

        // Of each n-gram the most in one text, whose, and the most in another: all but one text in constant time.
        var most = new Dictionary<int[], (int Count, int Text, int Second)>(NGrams.Comparer);
        for (var i = 0; i < counts.Count; i++)
        {
            foreach (var (gram, count) in counts[i])
            {
                var (largest, text, second) = most.GetValueOrDefault(gram, (0, -1, 0));
                most[gram] = count > largest ? (count, i, largest) : (largest, text, Math.Max(second, count));
            }
        }

        for (var i = 0; i < counts.Count; i++)
        {
            var common = counts[i].Sum(gram =>
            {
                var (largest, text, second) = most[gram.Key];
                return Math.Min(gram.Value, text == i ? second : largest);
            });
            var all = Math.Max(1, texts[i].Length - order + 1);
            var precision = common > 0 ? (double)common / all : order == 1 ? 0 : Smoothed / all;
            logarithms[i] += Math.Log(precision) / n;
        }
    }

    /// <summary>The brevity penalty beside the reference of the closest length, the shorter of two.</summary>
    private static double Penalty(int length, int[] lengths)
    {
        if (length == 0)
            return 0;
        var at = Array.BinarySearch(lengths, length);
        var without = lengths.ToList();
        without.RemoveAt(at);
        var closest = without.MinBy(other => (Math.Abs(other - length), other));
        return length >= closest ? 1 : Math.Exp(1 - ((double)closest / length));
    }
}
