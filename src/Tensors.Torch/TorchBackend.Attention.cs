using System.Runtime.InteropServices;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Attention and its gradients. Sequences of the same length are one batch: nothing is padded.</summary>
public sealed partial class TorchBackend
{
    public override void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        Tensor output) =>
        Attention(
            query, queryOffsets, key, value, keyOffsets, heads, AttentionKind.Bidirectional, dropout: default, output);

    public override void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        AttentionKind kind,
        Dropout dropout,
        Tensor output)
    {
        Shapes.Attention(query, queryOffsets, key, value, keyOffsets, heads, kind, dropout, output);
        using var operation = _context.Begin();
        foreach (var bucket in LengthBucket.Of(queryOffsets.Values, keyOffsets.Values))
        {
            if (bucket.Queries == 0)
                continue;
            using var temporaries = torch.NewDisposeScope();
            var queries = RowsOf(bucket, queryOffsets, bucket.Queries);
            var keys = RowsOf(bucket, keyOffsets, bucket.Keys);
            var (q, k, v) = (queries.Heads(query, heads), keys.Heads(key, heads), keys.Heads(value, heads));
            queries.SetHeads(output, dropout.Threshold == 0
                ? torch.nn.functional.scaled_dot_product_attention(q, k, v, Seen(q, k, kind))
                : AttentionWeights(q, k, kind).mul_(Factors(bucket, dropout, heads)).matmul(v));
        }
    }

    /// <remarks>
    /// With w = softmax(s), o = (w ⊙ f) V: dV = (w ⊙ f)ᵀ do; dw = f ⊙ (do Vᵀ); ds = w ⊙ (dw - Σ w dw); dQ and dK follow
    /// from s = Q Kᵀ / √headDim.
    /// </remarks>
    public override void AttentionGradient(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        AttentionKind kind,
        Dropout dropout,
        Tensor outputGradient,
        Tensor queryGradient,
        Tensor keyGradient,
        Tensor valueGradient)
    {
        Shapes.Attention(query, queryOffsets, key, value, keyOffsets, heads, kind, dropout, outputGradient);
        Shapes.Alike(nameof(AttentionGradient), query, queryGradient);
        Shapes.Alike(nameof(AttentionGradient), key, keyGradient);
        Shapes.Alike(nameof(AttentionGradient), value, valueGradient);
        using var operation = _context.Begin();
        foreach (var bucket in LengthBucket.Of(queryOffsets.Values, keyOffsets.Values))
        {
            using var temporaries = torch.NewDisposeScope();
            var queries = RowsOf(bucket, queryOffsets, bucket.Queries);
            var keys = RowsOf(bucket, keyOffsets, bucket.Keys);
            var (q, k, v) = (queries.Heads(query, heads), keys.Heads(key, heads), keys.Heads(value, heads));
            if (bucket.Queries == 0)
            {
                keys.SetHeads(keyGradient, torch.zeros_like(k));
                keys.SetHeads(valueGradient, torch.zeros_like(v));
                continue;
            }

            var ofOutput = queries.Heads(outputGradient, heads);
            var weights = AttentionWeights(q, k, kind);
            var factors = dropout.Threshold == 0 ? null : Factors(bucket, dropout, heads);
            var ofValue = (factors is null ? weights : weights * factors).transpose(2, 3).matmul(ofOutput);
            var ofWeights = ofOutput.matmul(v.transpose(2, 3));
            if (factors is not null)
                ofWeights.mul_(factors);
            var mean = (weights * ofWeights).sum(-1, keepdim: true);
            var ofScores = ofWeights.sub_(mean).mul_(weights);
            var scale = 1 / Math.Sqrt(query.Columns / heads);
            var ofQuery = Scaled(ofScores.matmul(k), scale);
            var ofKey = Scaled(ofScores.transpose(2, 3).matmul(q), scale);
            queries.SetHeads(queryGradient, ofQuery);
            keys.SetHeads(keyGradient, ofKey);
            keys.SetHeads(valueGradient, ofValue);
        }
    }

    /// <summary>softmax(Q Kᵀ / √headDim): [sequences, heads, queries, keys].</summary>
    private torch.Tensor AttentionWeights(torch.Tensor q, torch.Tensor k, AttentionKind kind)
    {
        var scores = Scaled(q.matmul(k.transpose(2, 3)), 1 / Math.Sqrt(q.shape[^1]));
        if (Seen(q, k, kind) is { } seen)
        {
            using var never = float.NegativeInfinity.ToScalar();
            scores.masked_fill_(seen.logical_not(), never);
        }

        return scores.softmax(-1);
    }

    /// <summary>Which keys each query attends to, [queries, keys]; null for all.</summary>
    private torch.Tensor? Seen(torch.Tensor q, torch.Tensor k, AttentionKind kind)
    {
        if (kind != AttentionKind.Causal)
            return null;
        var (queries, keys) = (q.shape[2], k.shape[2]);
        return torch.ones([queries, keys], torch.ScalarType.Bool, _context.Device).tril(keys - queries);
    }

    private torch.Tensor Factors(LengthBucket bucket, Dropout dropout, int heads) => DropoutFactors
        .OfHeads(_context, dropout, bucket.Heads(heads), bucket.Queries, bucket.Keys)
        .view(bucket.Sequences.Count, heads, bucket.Queries, bucket.Keys);

    private BucketRows RowsOf(LengthBucket bucket, IndexBuffer offsets, int length)
    {
        var all = offsets.Values;
        var isAdjacent = bucket.IsAdjacent;
        return new(
            bucket.Sequences.Count, length, all[bucket.Sequences[0]],
            isAdjacent ? null : _context.Upload(bucket.Rows(all, length)));
    }

    /// <summary>Where the rows of a bucket's sequences are in a tensor [tokens, features].</summary>
    /// <param name="First">The first row.</param>
    /// <param name="Rows">All of them if they are not one after another.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct BucketRows(int Sequences, int Length, int First, torch.Tensor? Rows)
    {
        /// <summary>[sequences, heads, length, headDim], a view if the rows lie one after another.</summary>
        public torch.Tensor Heads(Tensor tensor, int heads)
        {
            var rows = Rows is null
                ? View(tensor).narrow(0, First, (long)Sequences * Length)
                : View(tensor).index_select(0, Rows);
            return rows.unflatten(0, [Sequences, Length]).unflatten(2, [heads, tensor.Columns / heads])
                .transpose(1, 2);
        }

        /// <summary>The way back: sets the rows.</summary>
        public void SetHeads(Tensor tensor, torch.Tensor heads)
        {
            var rows = heads.transpose(1, 2).reshape((long)Sequences * Length, tensor.Columns);
            if (Rows is null)
                View(tensor).narrow(0, First, rows.shape[0]).copy_(rows);
            else
                View(tensor).index_copy_(0, Rows.to(torch.ScalarType.Int64), rows);
        }
    }
}
