namespace Serving.Tensors.Torch;

/// <summary>Sequences with as many queries and as many keys as each other.</summary>
/// <param name="Sequences">Their numbers, ascending.</param>
internal sealed record LengthBucket(int Queries, int Keys, List<int> Sequences)
{
    /// <summary>Whether the sequences lie one after another.</summary>
    public bool IsAdjacent => Sequences[^1] - Sequences[0] + 1 == Sequences.Count;

    /// <summary>Sorts sequences into buckets.</summary>
    /// <param name="queryOffsets">Where each sequence's queries begin; one entry more than sequences.</param>
    /// <param name="keyOffsets">Where each sequence's keys begin.</param>
    public static IReadOnlyCollection<LengthBucket> Of(ReadOnlySpan<int> queryOffsets, ReadOnlySpan<int> keyOffsets)
    {
        var buckets = new Dictionary<(int Queries, int Keys), LengthBucket>();
        for (var i = 0; i + 1 < queryOffsets.Length; i++)
        {
            var lengths = (queryOffsets[i + 1] - queryOffsets[i], keyOffsets[i + 1] - keyOffsets[i]);
            if (!buckets.TryGetValue(lengths, out var bucket))
                buckets[lengths] = bucket = new(lengths.Item1, lengths.Item2, []);
            bucket.Sequences.Add(i);
        }

        return buckets.Values;
    }

    /// <summary>The rows of the bucket's sequences, one sequence after another.</summary>
    public int[] Rows(ReadOnlySpan<int> offsets, int length)
    {
        var rows = new int[Sequences.Count * length];
        for (var i = 0; i < rows.Length; i++)
            rows[i] = offsets[Sequences[i / length]] + (i % length);
        return rows;
    }

    /// <summary>The numbers of all heads of the sequences, as dropout counts them.</summary>
    public int[] Heads(int heads)
    {
        var numbers = new int[Sequences.Count * heads];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = (Sequences[i / heads] * heads) + (i % heads);
        return numbers;
    }
}
