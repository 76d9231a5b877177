namespace Serving.Tensors.Tests.Reference;

internal sealed partial class ReferenceBackend
{
    public override void EmbeddingSum(
        PackedWeight tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        var table = (ReferencePackedWeight)tokens;
        Set(output, (row, column) =>
        {
            var id = ids.Tokens[row];
            return (double)table[id.Token, column] + At(positions, id.Position, column) + At(types, id.Type, column);
        });
    }

    public override void ScatterRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.ScatterRows(x, rows, output);
        for (var i = 0; i < x.Rows; i++)
            output.Slice(rows.Values[i], 1).CopyFrom(x.Slice(i, 1).ToArray());
    }

    public override void CachedAttention(
        Tensor query, IndexBuffer queryOffsets, in CachedKeys cache, int heads, Tensor output)
    {
        Shapes.CachedAttention(query, queryOffsets, cache, heads, output);
        var headDim = query.Columns / heads;
        for (var sequence = 0; sequence < cache.Counts.Values.Length; sequence++)
        {
            var (begin, end) = (queryOffsets.Values[sequence], queryOffsets.Values[sequence + 1]);
            var rows = Rows(cache, sequence);
            for (var i = begin; i < end; i++)
            {
                // The last query sees all keys, the one before all but the last.
                var seen = rows[..(rows.Length - (end - i - 1))];
                for (var first = 0; first < query.Columns; first += headDim)
                    Attend(query, i, first, headDim, seen, cache, output);
            }
        }
    }

    /// <summary>The rows of a sequence's tokens.</summary>
    private static int[] Rows(in CachedKeys cache, int sequence)
    {
        var rows = new int[cache.Counts.Values[sequence]];
        for (var i = 0; i < rows.Length; i++)
        {
            var block = cache.Blocks.Values[cache.BlockOffsets.Values[sequence] + (i / cache.BlockRows)];
            rows[i] = (block * cache.BlockRows) + (i % cache.BlockRows);
        }

        return rows;
    }

    private static void Attend(
        Tensor query, int row, int first, int headDim, int[] seen, CachedKeys cache, Tensor output)
    {
        double[] scores = [.. seen.Select(key => Sum(
            headDim, d => (double)At(query, row, first + d) * At(cache.Keys, key, first + d)) / Math.Sqrt(headDim))];
        double[] exponentials = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
        var total = exponentials.Sum();
        for (var d = 0; d < headDim; d++)
        {
            At(output, row, first + d) = (float)(Sum(
                seen.Length, j => exponentials[j] * At(cache.Values, seen[j], first + d)) / total);
        }
    }
}
