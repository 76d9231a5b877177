namespace Serving.Tensors;

/// <summary>Checks of operands' shapes, the same for every backend.</summary>
public static partial class Shapes
{
    /// <summary>A copy between row-major values and the rows of a storage of so many elements.</summary>
    public static void Copy(long offset, int rows, int columns, int stride, int values, long elements)
    {
        if (values != (long)rows * columns)
            throw new ShapeException($"Copy: {values} values came for [{rows}, {columns}].");
        var end = offset + (rows == 0 ? 0 : ((rows - 1L) * stride) + columns);
        if (offset < 0 || rows < 0 || stride < columns || end > elements)
        {
            throw new ShapeException(
                $"Copy: rows of {columns} elements, {stride} apart, from {offset} to {end}, are not all among the "
                + $"storage's {elements}.");
        }
    }

    /// <returns>The output features of all together.</returns>
    public static int PackWeight(ReadOnlySpan<Tensor> weights)
    {
        if (weights.Length == 0)
            throw new ShapeException("PackWeight: no weights came; at least one is needed.");
        var outFeatures = 0;
        foreach (var weight in weights)
        {
            if (weight.Columns != weights[0].Columns)
                throw new ShapeException($"PackWeight: {weights[0]} and {weight} differ in input features.");
            outFeatures += weight.Rows;
        }

        return outFeatures;
    }

    public static void Linear(
        Tensor x, PackedWeight weight, Tensor bias, ReadOnlySpan<RowSegment> segments, Tensor residual, Tensor output)
    {
        if (x.Columns != weight.InFeatures)
            throw new ShapeException($"Linear: inner dimensions differ: x is {x}, the weight is {weight}.");
        if (output.Rows != x.Rows || output.Columns != weight.OutFeatures)
            throw new ShapeException($"Linear: the output is {output}; [{x.Rows}, {weight.OutFeatures}] is needed.");
        if (!bias.IsNone && (bias.Rows != 1 || bias.Columns != weight.OutFeatures))
            throw new ShapeException($"Linear: the bias is {bias}; [1, {weight.OutFeatures}] is needed.");
        if (!residual.IsNone && (residual.Rows != x.Rows || residual.Columns != weight.OutFeatures))
            throw new ShapeException($"Linear: the residual is {residual}; {output} is needed.");
        if (segments.Length == 0)
            return;

        long rows = 0;
        foreach (var segment in segments)
        {
            rows += segment.Rows;
            if (segment.Rows < 0)
                throw new ShapeException($"Linear: a segment has {segment.Rows} rows; 0 or more are needed.");
            if (segment.Mask is { } mask
                && (mask.OutFeatures != weight.OutFeatures || mask.InFeatures != weight.InFeatures))
                throw new ShapeException($"Linear: the mask is {mask}, the weight is {weight}; they must be alike.");
        }

        if (rows != x.Rows)
            throw new ShapeException($"Linear: the segments have {rows} rows, x is {x}; they must be as many.");
    }

    public static void Project(Tensor x, Tensor weight, Tensor bias, Tensor output)
    {
        if (x.Columns != weight.Columns)
            throw new ShapeException($"Project: inner dimensions differ: x is {x}, the weight is {weight}.");
        if (output.Rows != x.Rows || output.Columns != weight.Rows)
            throw new ShapeException($"Project: the output is {output}; [{x.Rows}, {weight.Rows}] is needed.");
        if (!bias.IsNone && (bias.Rows != 1 || bias.Columns != weight.Rows))
            throw new ShapeException($"Project: the bias is {bias}; [1, {weight.Rows}] is needed.");
    }

    public static void LayerNorm(Tensor x, Tensor gamma, Tensor beta, Tensor output)
    {
        if (gamma.Rows != 1 || beta.Rows != 1 || gamma.Columns != x.Columns || beta.Columns != x.Columns)
            throw new ShapeException($"LayerNorm: gamma is {gamma}, beta {beta}; [1, {x.Columns}] is needed for {x}.");
        if (output.Rows != x.Rows || output.Columns != x.Columns)
            throw new ShapeException($"LayerNorm: the output is {output}; {x} is needed.");
    }

    public static void EmbeddingSum(
        Tensor tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        if (types.Columns != tokens.Columns)
            throw new ShapeException($"EmbeddingSum: the tables {tokens} and {types} differ in width.");
        Embeddings(tokens.Rows, tokens.Columns, positions, types, ids, output);
    }

    public static void EmbeddingSum(
        PackedWeight tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        if (types.Columns != tokens.InFeatures)
            throw new ShapeException($"EmbeddingSum: the tables {tokens} and {types} differ in width.");
        Embeddings(tokens.OutFeatures, tokens.InFeatures, positions, types, ids, output);
    }

    /// <param name="vocab">Rows of the table of tokens.</param>
    /// <param name="hidden">Its width.</param>
    /// <param name="types">None where nothing is looked up in it.</param>
    private static void Embeddings(
        int vocab, int hidden, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        if (positions.Columns != hidden)
            throw new ShapeException($"EmbeddingSum: the tables [{vocab}, {hidden}] and {positions} differ in width.");
        var all = ids.Tokens;
        if (output.Rows != all.Length || output.Columns != hidden)
            throw new ShapeException($"EmbeddingSum: the output is {output}; [{all.Length}, {hidden}] is needed.");

        foreach (var id in all)
        {
            if ((uint)id.Token >= (uint)vocab)
                throw new ShapeException($"EmbeddingSum: token {id.Token} is not in the table [{vocab}, {hidden}].");
            if ((uint)id.Position >= (uint)positions.Rows)
                throw new ShapeException($"EmbeddingSum: position {id.Position} is not in the table {positions}.");
            if (!types.IsNone && (uint)id.Type >= (uint)types.Rows)
                throw new ShapeException($"EmbeddingSum: token type {id.Type} is not in the table {types}.");
        }
    }

    /// <returns>The keys of the longest sequence.</returns>
    public static int Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        Tensor output)
    {
        if (heads <= 0 || query.Columns % heads != 0)
            throw new ShapeException($"Attention: {query} does not divide into {heads} heads.");
        if (key.Columns != query.Columns || value.Columns != query.Columns || value.Rows != key.Rows)
            throw new ShapeException($"Attention: query {query}, key {key} and value {value} do not fit together.");
        if (output.Rows != query.Rows || output.Columns != query.Columns)
            throw new ShapeException($"Attention: the output is {output}; {query} is needed.");
        var queries = queryOffsets.Values;
        var keys = keyOffsets.Values;
        if (queries.Length != keys.Length)
        {
            throw new ShapeException(
                $"Attention: {queries.Length} offsets of queries, {keys.Length} of keys; as many are needed.");
        }

        Offsets(queries, query.Rows, least: 0);
        return Offsets(keys, key.Rows, least: 1);
    }

    public static void GatherRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        var all = rows.Values;
        if (output.Rows != all.Length || output.Columns != x.Columns)
            throw new ShapeException($"GatherRows: the output is {output}; [{all.Length}, {x.Columns}] is needed.");
        foreach (var row in all)
        {
            if ((uint)row >= (uint)x.Rows)
                throw new ShapeException($"GatherRows: row {row} is not in {x}.");
        }
    }

    public static void MeanRows(Tensor x, IndexBuffer spans, Tensor output)
    {
        var all = spans.Values;
        if (2L * output.Rows != all.Length || output.Columns != x.Columns)
        {
            throw new ShapeException(
                $"MeanRows: the means are {output}; [{all.Length / 2}, {x.Columns}] is needed for {all.Length} ends.");
        }

        for (var i = 0; i < all.Length; i += 2)
        {
            if (all[i] < 0 || all[i] >= all[i + 1] || all[i + 1] > x.Rows)
                throw new ShapeException($"MeanRows: rows {all[i]} to {all[i + 1]} are none, or not all in {x}.");
        }
    }

    private static int Offsets(ReadOnlySpan<int> offsets, int rows, int least)
    {
        var most = 0;
        if (offsets.Length == 0 || offsets[0] != 0 || offsets[^1] != rows)
            throw new ShapeException($"Attention: offsets must go from 0 to the {rows} rows.");
        for (var i = 1; i < offsets.Length; i++)
        {
            var length = offsets[i] - offsets[i - 1];
            if (length < least)
            {
                throw new ShapeException(
                    $"Attention: sequence {i - 1} has {length} rows; at least {least} are needed.");
            }

            most = Math.Max(most, length);
        }

        return most;
    }
}
