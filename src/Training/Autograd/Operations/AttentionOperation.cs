using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Attention of sequences, all heads at once, see <see cref="TensorBackend.Attention"/>.</summary>
public static class AttentionOperation
{
    /// <summary>Attention of sequences to themselves.</summary>
    /// <param name="x">Queries, keys and values side by side, [tokens, 3 hidden]; nothing else may use it.</param>
    /// <param name="offsets">Where each sequence begins, and the end of the last.</param>
    /// <param name="dropout">Of the attention weights.</param>
    /// <returns>[tokens, hidden]</returns>
    public static Variable SelfAttention(
        this Tape tape, Variable x, IndexBuffer offsets, int heads, AttentionKind kind, Dropout dropout)
    {
        var hidden = x.Value.Columns / 3;
        return tape.Run(new Operation(x, 0, offsets, x, hidden, offsets, hidden, heads, kind, dropout));
    }

    /// <summary>Attention of some queries to whole sequences.</summary>
    /// <param name="query">[queries, hidden]; nothing else may use it.</param>
    /// <param name="keyValue">Keys and values side by side, [tokens, 2 hidden]; nothing else may use it.</param>
    /// <returns>[queries, hidden]</returns>
    public static Variable Attention(
        this Tape tape, Variable query, IndexBuffer queryOffsets, Variable keyValue, IndexBuffer keyOffsets, int heads,
        Dropout dropout) => tape.Run(new Operation(
            query, 0, queryOffsets, keyValue, 0, keyOffsets, query.Value.Columns, heads, AttentionKind.Bidirectional,
            dropout));

    private sealed class Operation(
        Variable query,
        int queryColumn,
        IndexBuffer queryOffsets,
        Variable keyValue,
        int keyColumn,
        IndexBuffer keyOffsets,
        int hidden,
        int heads,
        AttentionKind kind,
        Dropout dropout) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariable(
                query.Value.Rows, hidden, query.NeedsGradient || keyValue.NeedsGradient);
            tape.Backend.Attention(
                Queries(query.Value), queryOffsets, Keys(keyValue.Value), Values(keyValue.Value), keyOffsets, heads,
                kind, dropout, output.Value);
            tape.Count(4 * Products() * hidden);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            // Queries, keys and values come from the same states: all need gradients, or none. All columns are
            // overwritten.
            var queryGradient = tape.GradientOf(query, out var isUsed);
            var keyValueGradient = query == keyValue ? queryGradient : tape.GradientOf(keyValue, out isUsed);
            if (isUsed)
            {
                throw new InvalidOperationException(
                    "Queries, keys and values are used elsewhere, too; attention needs its own.");
            }

            tape.Backend.AttentionGradient(
                Queries(query.Value), queryOffsets, Keys(keyValue.Value), Values(keyValue.Value), keyOffsets, heads,
                kind, dropout, output.Gradient, Queries(queryGradient), Keys(keyValueGradient),
                Values(keyValueGradient));
            // Not counting the attention weights, which are recomputed.
            tape.Count(8 * Products() * hidden);
        }

        private Tensor Queries(Tensor tensor) => tensor.SliceColumns(queryColumn, hidden);

        private Tensor Keys(Tensor tensor) => tensor.SliceColumns(keyColumn, hidden);

        private Tensor Values(Tensor tensor) => tensor.SliceColumns(keyColumn + hidden, hidden);

        /// <summary>Pairs of a query and a key that it may see.</summary>
        private long Products()
        {
            var queries = queryOffsets.Values;
            var keys = keyOffsets.Values;
            var products = 0L;
            for (var i = 1; i < queries.Length; i++)
            {
                var (ofQueries, ofKeys) = ((long)queries[i] - queries[i - 1], keys[i] - keys[i - 1]);
                products += ofQueries * ofKeys;
                if (kind == AttentionKind.Causal)
                    products -= ofQueries * (ofQueries - 1) / 2;
            }

            return products;
        }
    }
}
