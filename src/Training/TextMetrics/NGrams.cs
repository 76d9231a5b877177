namespace Serving.Training.TextMetrics;

/// <summary>N tokens in a row, which are equal if their tokens are.</summary>
internal static class NGrams
{
    /// <summary>Compares n-grams.</summary>
    public static IEqualityComparer<int[]> Comparer { get; } = new SequenceComparer();

    /// <summary>All of a text, in their order; none where it is shorter.</summary>
    /// <param name="n">At least 1.</param>
    public static IEnumerable<int[]> Of(ReadOnlyMemory<int> tokens, int n)
    {
        for (var first = 0; first + n <= tokens.Length; first++)
            yield return tokens.Slice(first, n).ToArray();
    }

    /// <summary>How often each comes.</summary>
    public static Dictionary<int[], int> Count(IEnumerable<int[]> grams)
    {
        var counts = new Dictionary<int[], int>(Comparer);
        foreach (var gram in grams)
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        return counts;
    }

    private sealed class SequenceComparer : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] tokens)
        {
            var hash = default(HashCode);
            foreach (var token in tokens)
                hash.Add(token);
            return hash.ToHashCode();
        }
    }
}
