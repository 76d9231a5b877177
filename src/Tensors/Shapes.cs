namespace Serving.Tensors;

/// <summary>Checks of operands' shapes, the same for every backend.</summary>
public static class Shapes
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
        Tensor tokens, Tensor positions, Tensor types, ReadOnlySpan<TokenIds> ids, Tensor output)
    {
        if (positions.Columns != tokens.Columns || types.Columns != tokens.Columns)
            throw new ShapeException($"EmbeddingSum: the tables {tokens}, {positions} and {types} differ in width.");
        if (output.Rows != ids.Length || output.Columns != tokens.Columns)
        {
            throw new ShapeException(
                $"EmbeddingSum: the output is {output}; [{ids.Length}, {tokens.Columns}] is needed.");
        }

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
                $"Attention: {queryOffsets.Length} offsets of queries, {keyOffsets.Length} of keys; "
                + "as many are needed.");
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

    /// <returns>How many terms each element of the product has.</returns>
    public static int Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, Tensor output)
    {
        var (rows, terms) = transposed == Transposed.Left ? (a.Columns, a.Rows) : (a.Rows, a.Columns);
        var (columns, termsOfB) = transposed == Transposed.Right ? (b.Rows, b.Columns) : (b.Columns, b.Rows);
        if (terms != termsOfB)
            throw new ShapeException($"Multiply: inner dimensions differ: a is {a}, b {b}, transposed {transposed}.");
        if (output.Rows != rows || output.Columns != columns)
            throw new ShapeException($"Multiply: the output is {output}; [{rows}, {columns}] is needed.");
        if (!bias.IsNone && (bias.Rows != 1 || bias.Columns != columns))
            throw new ShapeException($"Multiply: the bias is {bias}; [1, {columns}] is needed.");
        if (!selection.Scores.IsNone)
            Alike(nameof(Multiply), selection.Scores, b);
        return terms;
    }

    public static void Alike(string operation, Tensor operand, Tensor needed)
    {
        if (operand.Rows != needed.Rows || operand.Columns != needed.Columns)
            throw new ShapeException($"{operation}: an operand is {operand}; {needed} is needed.");
    }

    public static void Rate(Dropout dropout)
    {
        if (dropout.Rate is not (>= 0 and < 1) || dropout.Threshold >= 65536)
        {
            throw new ArgumentOutOfRangeException(
                nameof(dropout), $"The dropout rate is {dropout.Rate}; 0 to below 1 is needed.");
        }
    }

    public static void LayerNormGradient(
        Tensor x, Tensor gamma, Tensor outputGradient, Tensor gammaGradient, Tensor betaGradient, Tensor xGradient)
    {
        LayerNorm(x, gamma, gamma, xGradient);
        Alike(nameof(LayerNormGradient), outputGradient, x);
        if (!gammaGradient.IsNone)
            Alike(nameof(LayerNormGradient), gammaGradient, gamma);
        if (!betaGradient.IsNone)
            Alike(nameof(LayerNormGradient), betaGradient, gamma);
    }

    public static void AddRows(Tensor x, Tensor output)
    {
        if (output.Rows != 1 || output.Columns != x.Columns)
            throw new ShapeException($"AddRows: the output is {output}; [1, {x.Columns}] is needed.");
    }

    public static void SoftmaxCrossEntropy(Tensor logits, ReadOnlySpan<int> labels, Tensor gradient)
    {
        Alike(nameof(SoftmaxCrossEntropy), gradient, logits);
        if (labels.Length != logits.Rows)
        {
            throw new ShapeException(
                $"SoftmaxCrossEntropy: {labels.Length} labels came for {logits}; one a row is needed.");
        }

        foreach (var label in labels)
        {
            if ((uint)label >= (uint)logits.Columns)
            {
                throw new ShapeException(
                    $"SoftmaxCrossEntropy: label {label} is not among the {logits.Columns} classes.");
            }
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
