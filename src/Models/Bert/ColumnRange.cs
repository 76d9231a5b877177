namespace Serving.Models.Bert;

/// <summary>Neighbouring columns, or features.</summary>
internal readonly record struct ColumnRange(int First, int Count)
{
    private int End => First + Count;

    /// <summary>The columns of heads.</summary>
    /// <param name="heads">Ascending.</param>
    public static ColumnRange[] OfHeads(IEnumerable<int> heads, int headDim) =>
        Merged(heads.Select(head => new ColumnRange(head * headDim, headDim)));

    /// <summary>Ranges that begin at multiples of a number, and hold all of others.</summary>
    /// <param name="ranges">Ascending.</param>
    public static ColumnRange[] From(IEnumerable<ColumnRange> ranges, int multiple) => Merged(ranges.Select(range =>
    {
        var first = range.First / multiple * multiple;
        return new ColumnRange(first, range.End - first);
    }));

    /// <param name="ranges">Ascending; neighbours, and those that overlap, become one.</param>
    private static ColumnRange[] Merged(IEnumerable<ColumnRange> ranges)
    {
        var merged = new List<ColumnRange>();
        foreach (var range in ranges)
        {
            if (merged.Count > 0 && merged[^1].End >= range.First)
                merged[^1] = new(merged[^1].First, range.End - merged[^1].First);
            else
                merged.Add(range);
        }

        return [.. merged];
    }
}
