namespace Serving.Tensors;

/// <summary>What the operands of each operation must look like; the same for every backend.</summary>
internal static class Shapes
{
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
            if (segment.Mask is { } mask && (mask.OutFeatures != weight.OutFeatures || mask.InFeatures != weight.InFeatures))
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
        Tensor tokens, Tensor positions, Tensor types, ReadOnlySpan<TokenIds> ids, Tensor output)
    {
        if (positions.Columns != tokens.Columns || types.Columns != tokens.Columns)
            throw new ShapeException($"EmbeddingSum: the tables {tokens}, {positions} and {types} differ in width.");
        if (output.Rows != ids.Length || output.Columns != tokens.Columns)
            throw new ShapeException($"EmbeddingSum: the output is {output}; [{ids.Length}, {tokens.Columns}] is needed.");
        foreach (var id in ids)
        {
            if ((uint)id.Token >= (uint)tokens.Rows)
                throw new ShapeException($"EmbeddingSum: token {id.Token} is not in the table {tokens}.");
            if ((uint)id.Position >= (uint)positions.Rows)
                throw new ShapeException($"EmbeddingSum: position {id.Position} is not in the table {positions}.");
            if ((uint)id.Type >= (uint)types.Rows)
                throw new ShapeException($"EmbeddingSum: token type {id.Type} is not in the table {types}.");
        }
    }

    /// <returns>The keys of the longest sequence.</returns>
    public static int Attention(
        Tensor query,
        ReadOnlySpan<int> queryOffsets,
        Tensor key,
        Tensor value,
        ReadOnlySpan<int> keyOffsets,
        int heads,
        Tensor output)
    {
        if (heads <= 0 || query.Columns % heads != 0)
            throw new ShapeException($"Attention: {query} does not divide into {heads} heads.");
        if (key.Columns != query.Columns || value.Columns != query.Columns || value.Rows != key.Rows)
            throw new ShapeException($"Attention: query {query}, key {key} and value {value} do not fit together.");
        if (output.Rows != query.Rows || output.Columns != query.Columns)
            throw new ShapeException($"Attention: the output is {output}; {query} is needed.");
        if (queryOffsets.Length != keyOffsets.Length)
        {
            throw new ShapeException(
                $"Attention: {queryOffsets.Length} offsets of queries, {keyOffsets.Length} of keys; as many are needed.");
        }

        Offsets(queryOffsets, query.Rows, least: 0);
        return Offsets(keyOffsets, key.Rows, least: 1);
    }

    public static void GatherRows(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        if (output.Rows != rows.Length || output.Columns != x.Columns)
            throw new ShapeException($"GatherRows: the output is {output}; [{rows.Length}, {x.Columns}] is needed.");
        foreach (var row in rows)
        {
            if ((uint)row >= (uint)x.Rows)
                throw new ShapeException($"GatherRows: row {row} is not in {x}.");
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
                throw new ShapeException($"Attention: sequence {i - 1} has {length} rows; at least {least} are needed.");
            most = Math.Max(most, length);
        }

        return most;
    }
}
