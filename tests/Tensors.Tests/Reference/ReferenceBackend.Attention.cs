namespace Serving.Tensors.Tests.Reference;

internal sealed partial class ReferenceBackend
{
    public override void Attention(
        Tensor query, IndexBuffer queryOffsets, Tensor key, Tensor value, IndexBuffer keyOffsets, int heads,
        Tensor output) =>
        Attention(
            query, queryOffsets, key, value, keyOffsets, heads, AttentionKind.Bidirectional, dropout: default, output);

    public override void Attention(
        Tensor query, IndexBuffer queryOffsets, Tensor key, Tensor value, IndexBuffer keyOffsets, int heads,
        AttentionKind kind, Dropout dropout, Tensor output)
    {
        Shapes.Attention(query, queryOffsets, key, value, keyOffsets, heads, kind, dropout, output);
        foreach (var head in Heads(query, queryOffsets, key, value, keyOffsets, heads, kind, dropout))
        {
            for (var i = 0; i < head.Queries.Rows; i++)
            {
                var (weights, factors) = (head.Weights(i), head.Factors(i));
                for (var d = 0; d < head.Queries.Columns; d++)
                {
                    At(output, head.FirstQuery + i, head.FirstColumn + d) =
                        (float)Sum(weights.Length, j => weights[j] * factors[j] * At(head.Values, j, d));
                }
            }
        }
    }

    /// <remarks>
    /// With w = softmax(s), o = (w ⊙ f) V: dV = (w ⊙ f)ᵀ do; dw = f ⊙ (do Vᵀ); ds = w ⊙ (dw - Σ w dw); dQ and dK follow
    /// from s = Q Kᵀ / √headDim.
    /// </remarks>
    public override void AttentionGradient(
        Tensor query, IndexBuffer queryOffsets, Tensor key, Tensor value, IndexBuffer keyOffsets, int heads,
        AttentionKind kind, Dropout dropout, Tensor outputGradient, Tensor queryGradient, Tensor keyGradient,
        Tensor valueGradient)
    {
        Shapes.Attention(query, queryOffsets, key, value, keyOffsets, heads, kind, dropout, outputGradient);
        Shapes.Alike(nameof(AttentionGradient), query, queryGradient);
        Shapes.Alike(nameof(AttentionGradient), key, keyGradient);
        Shapes.Alike(nameof(AttentionGradient), value, valueGradient);
        var ofQuery = new double[query.Rows, query.Columns];
        var ofKey = new double[key.Rows, key.Columns];
        var ofValue = new double[value.Rows, value.Columns];
        foreach (var head in Heads(query, queryOffsets, key, value, keyOffsets, heads, kind, dropout))
        {
            var root = Math.Sqrt(head.Queries.Columns);
            for (var i = 0; i < head.Queries.Rows; i++)
            {
                var (weights, factors, row) = (head.Weights(i), head.Factors(i), head.FirstQuery + i);
                double OfOutput(int d) => At(outputGradient, row, head.FirstColumn + d);
                double[] ofWeights = [.. weights.Select((_, j) =>
                    factors[j] * Sum(head.Queries.Columns, d => OfOutput(d) * At(head.Values, j, d)))];
                var mean = Sum(weights.Length, j => weights[j] * ofWeights[j]);
                for (var j = 0; j < weights.Length; j++)
                {
                    var ofScore = weights[j] * (ofWeights[j] - mean) / root;
                    for (var d = 0; d < head.Queries.Columns; d++)
                    {
                        var column = head.FirstColumn + d;
                        ofQuery[row, column] += ofScore * At(head.Keys, j, d);
                        ofKey[head.FirstKey + j, column] += ofScore * At(head.Queries, i, d);
                        ofValue[head.FirstKey + j, column] += weights[j] * factors[j] * OfOutput(d);
                    }
                }
            }
        }

        Set(queryGradient, (row, column) => ofQuery[row, column]);
        Set(keyGradient, (row, column) => ofKey[row, column]);
        Set(valueGradient, (row, column) => ofValue[row, column]);
    }

    private static IEnumerable<Head> Heads(
        Tensor query, IndexBuffer queryOffsets, Tensor key, Tensor value, IndexBuffer keyOffsets, int heads,
        AttentionKind kind, Dropout dropout)
    {
        var headDim = query.Columns / heads;
        for (var sequence = 0; sequence + 1 < queryOffsets.Values.Length; sequence++)
        {
            var (firstQuery, endQuery) = (queryOffsets.Values[sequence], queryOffsets.Values[sequence + 1]);
            var (firstKey, endKey) = (keyOffsets.Values[sequence], keyOffsets.Values[sequence + 1]);
            for (var head = 0; head < heads; head++)
            {
                Tensor Part(Tensor tensor, int first, int end) =>
                    tensor.Slice(first, end - first).SliceColumns(head * headDim, headDim);
                yield return new(
                    Part(query, firstQuery, endQuery), Part(key, firstKey, endKey), Part(value, firstKey, endKey),
                    firstQuery, firstKey, head * headDim, kind, dropout.OfHead((sequence * heads) + head));
            }
        }
    }

    /// <summary>One head of one sequence.</summary>
    private sealed record Head(
        Tensor Queries, Tensor Keys, Tensor Values, int FirstQuery, int FirstKey, int FirstColumn,
        AttentionKind Kind, Dropout Dropout)
    {
        /// <summary>softmax(q Kᵀ / √headDim) of one query; 0 for keys that it does not see.</summary>
        public double[] Weights(int query)
        {
            var last = Kind == AttentionKind.Causal ? Keys.Rows - Queries.Rows + query : Keys.Rows - 1;
            double[] scores = [.. Enumerable.Range(0, Keys.Rows).Select(key => key > last
                ? double.NegativeInfinity
                : Sum(Keys.Columns, d => (double)At(Queries, query, d) * At(Keys, key, d)) / Math.Sqrt(Keys.Columns))];
            double[] exponentials = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
            return [.. exponentials.Select(exponential => exponential / exponentials.Sum())];
        }

        /// <summary>What dropout multiplies one query's weights by.</summary>
        public double[] Factors(int query) =>
            [.. Enumerable.Range(0, Keys.Rows).Select(key => (double)Dropout.FactorOfWeight(query, key, Keys.Rows))];
    }
}
