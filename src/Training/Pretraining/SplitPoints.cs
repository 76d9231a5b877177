using Serving.Tensors;

namespace Serving.Training.Pretraining;

/// <summary>
/// Cuts sentences into groups of about equal size by discretized normal distributions (Aroca-Ouellette and Rudzicz
/// 2020).
/// </summary>
public static class SplitPoints
{
    /// <summary>The probability that cut number `cut` of `groups` - 1 is at each of `sentences` points.</summary>
    /// <param name="cut">
    /// From 1. Its mean is cut (sentences - 1) / groups, its deviation a third of the first's.
    /// </param>
    public static double[] Distribution(int sentences, int groups, int cut)
    {
        var mean = (double)cut * (sentences - 1) / groups;
        var deviation = (sentences - 1) / (3.0 * groups);
        double[] weights =
            [.. Enumerable.Range(0, sentences).Select(point => Math.Exp(-Math.Pow((point - mean) / deviation, 2) / 2))];
        var sum = weights.Sum();
        return [.. weights.Select(weight => weight / sum)];
    }

    /// <summary>Cuts sentences into groups of at least one.</summary>
    /// <param name="sentences">At least as many as groups.</param>
    /// <returns>Sentences before each cut, ascending.</returns>
    public static int[] Draw(int sentences, int groups, ulong key)
    {
        var cuts = new int[groups - 1];
        for (var cut = 1; cut < groups; cut++)
        {
            // A point before each sentence, and one behind the last.
            var distribution = Distribution(sentences + 1, groups, cut);
            var (point, left) = (0, CounterRandom.Uniform(key, (ulong)cut));
            while (point < sentences && left >= distribution[point])
                left -= distribution[point++];
            var least = cut == 1 ? 1 : cuts[cut - 2] + 1;
            cuts[cut - 1] = Math.Clamp(point, least, sentences - (groups - cut));
        }

        return cuts;
    }
}
