using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>What decoders need: rows that go to where they belong, and attention over cached keys.</summary>
public sealed partial class TorchBackend
{
    public override void EmbeddingSum(
        PackedWeight tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        if (output.Rows == 0)
            return;
        using var operation = _context.Begin();
        var rows = TokenRows(ids);
        View(output).copy_(((TorchPackedWeight)tokens).Rows(rows[0])
            .add_(View(positions).index_select(0, rows[1]))
            .add_(View(types).index_select(0, rows[2])));
    }

    public override void ScatterRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.ScatterRows(x, rows, output);
        if (x.Rows == 0)
            return;
        using var operation = _context.Begin();
        View(output).index_copy_(0, OnDevice(rows).to(torch.ScalarType.Int64), View(x));
    }

    /// <remarks>One sequence after another: what comes of one does not depend on its company.</remarks>
    public override void CachedAttention(
        Tensor query, IndexBuffer queryOffsets, in CachedKeys cache, int heads, Tensor output)
    {
        Shapes.CachedAttention(query, queryOffsets, cache, heads, output);
        using var operation = _context.Begin();
        for (var i = 0; i < queryOffsets.Values.Length - 1; i++)
        {
            var (first, count) = (queryOffsets.Values[i], cache.Counts.Values[i]);
            var queries = queryOffsets.Values[i + 1] - first;
            if (queries == 0)
                continue;
            using var temporaries = torch.NewDisposeScope();
            var rows = _context.Upload(Rows(cache, i));
            var q = OfHeads(View(query).narrow(0, first, queries), heads);
            var k = OfHeads(View(cache.Keys).index_select(0, rows), heads);
            var v = OfHeads(View(cache.Values).index_select(0, rows), heads);
            // A query sees the keys up to its own, which is among the last.
            var sees = queries == 1
                ? null
                : torch.ones([queries, count], torch.ScalarType.Bool, _context.Device).tril(count - queries);
            var attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, sees);
            View(output).narrow(0, first, queries).copy_(attended.squeeze(0).transpose(0, 1).flatten(1));
        }
    }

    /// <summary>[rows, hidden] as [1, heads, rows, headDim].</summary>
    private static torch.Tensor OfHeads(torch.Tensor rows, int heads) =>
        rows.unflatten(1, [heads, rows.shape[1] / heads]).transpose(0, 1).unsqueeze(0);

    /// <summary>Where the keys of a sequence are, in their order.</summary>
    private static int[] Rows(in CachedKeys cache, int sequence)
    {
        var rows = new int[cache.Counts.Values[sequence]];
        var firstBlock = cache.BlockOffsets.Values[sequence];
        for (var i = 0; i < rows.Length; i++)
        {
            var (block, row) = Math.DivRem(i, cache.BlockRows);
            rows[i] = (cache.Blocks.Values[firstBlock + block] * cache.BlockRows) + row;
        }

        return rows;
    }
}
