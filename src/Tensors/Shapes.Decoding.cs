namespace Serving.Tensors;

/// <summary>Those of a decoder's operations.</summary>
public static partial class Shapes
{
    public static void ScatterRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        var all = rows.Values;
        if (x.Rows != all.Length || output.Columns != x.Columns)
        {
            throw new ShapeException(
                $"ScatterRows: {x} goes to {all.Length} rows of {output}; as many rows and columns are needed.");
        }

        foreach (var row in all)
        {
            if ((uint)row >= (uint)output.Rows)
                throw new ShapeException($"ScatterRows: row {row} is not in {output}.");
        }
    }

    /// <returns>The keys of the longest sequence.</returns>
    public static int CachedAttention(
        Tensor query, IndexBuffer queryOffsets, in CachedKeys cache, int heads, Tensor output)
    {
        if (heads <= 0 || query.Columns % heads != 0)
            throw new ShapeException($"CachedAttention: {query} does not divide into {heads} heads.");
        if (cache.Keys.Columns != query.Columns || cache.Values.Columns != query.Columns
            || cache.Values.Rows != cache.Keys.Rows)
        {
            throw new ShapeException(
                $"CachedAttention: query {query}, keys {cache.Keys} and values {cache.Values} do not fit together.");
        }

        if (output.Rows != query.Rows || output.Columns != query.Columns)
            throw new ShapeException($"CachedAttention: the output is {output}; {query} is needed.");
        var sequences = queryOffsets.Values.Length - 1;
        if (cache.Counts.Values.Length != sequences || cache.BlockOffsets.Values.Length != sequences + 1)
        {
            throw new ShapeException(
                $"CachedAttention: queries are of {sequences} sequences, keys of {cache.Counts.Values.Length}, blocks "
                + $"of {cache.BlockOffsets.Values.Length - 1}; as many are needed.");
        }

        Offsets(queryOffsets.Values, query.Rows, least: 0);
        return Blocks(queryOffsets, cache);
    }

    private static int Blocks(IndexBuffer queryOffsets, in CachedKeys cache)
    {
        if (cache.BlockRows <= 0)
            throw new ShapeException($"CachedAttention: blocks have {cache.BlockRows} rows; at least 1 is needed.");
        var blocks = cache.Keys.Rows / cache.BlockRows;
        foreach (var block in cache.Blocks.Values)
        {
            if ((uint)block >= (uint)blocks)
                throw new ShapeException($"CachedAttention: block {block} is not among the {blocks} of the cache.");
        }

        var most = 0;
        var offsets = cache.BlockOffsets.Values;
        if (offsets[0] != 0 || offsets[^1] != cache.Blocks.Values.Length)
            throw new ShapeException("CachedAttention: offsets of blocks must go from 0 to how many there are.");
        for (var i = 0; i < offsets.Length - 1; i++)
        {
            var count = cache.Counts.Values[i];
            var queries = queryOffsets.Values[i + 1] - queryOffsets.Values[i];
            var room = ((long)offsets[i + 1] - offsets[i]) * cache.BlockRows;
            if (count < queries || count > room)
            {
                throw new ShapeException(
                    $"CachedAttention: sequence {i} has {count} keys; {queries}, its queries, to {room}, what its "
                    + "blocks hold, are needed.");
            }

            most = Math.Max(most, count);
        }

        return most;
    }
}
