using Serving.Tensors;

namespace Serving.Training.Pretraining;

/// <summary>Shuffles some trigrams (Aroca-Ouellette and Rudzicz 2020).</summary>
internal static class TrigramShuffler
{
    private const double Rate = 0.05;

    private static readonly int[][] Orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

    /// <summary>Shuffles trigrams without hidden, corrupted or special tokens, in place.</summary>
    /// <param name="ids">All of the sequence.</param>
    /// <param name="eligible">Positions that may be moved, ascending.</param>
    /// <param name="hidden">Positions that must stay.</param>
    /// <returns>The middle positions, and in which order their trigrams are now.</returns>
    public static Targets<int> Shuffle(int[] ids, int[] eligible, int[] hidden, ulong key)
    {
        var free = eligible.Except(hidden).ToHashSet();
        var wanted = Math.Max(1, (int)Math.Round(Rate * eligible.Length));
        var middles = new SortedDictionary<int, int>();
        foreach (var index in CounterRandom.Permutation(eligible.Length, CounterRandom.Bits(key, 0)))
        {
            var middle = eligible[index];
            if (middles.Count == wanted)
                break;
            if (!free.Contains(middle - 1) || !free.Contains(middle) || !free.Contains(middle + 1))
                continue;
            var order = (int)(CounterRandom.Uniform(key, 1 + (ulong)middle) * Orders.Length);
            int[] before = [ids[middle - 1], ids[middle], ids[middle + 1]];
            for (var i = 0; i < 3; i++)
            {
                ids[middle - 1 + i] = before[Orders[order][i]];
                free.Remove(middle - 1 + i);
            }

            middles.Add(middle, order);
        }

        return new([.. middles.Keys], [.. middles.Values]);
    }
}
