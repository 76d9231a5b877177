namespace Serving.Tensors;

/// <summary>Those of training's operations.</summary>
public static partial class Shapes
{
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

    public static void Apply(Elementwise function, Tensor a, Tensor b, Tensor output)
    {
        Alike(nameof(Apply), a, output);
        if (!b.IsNone)
            Alike(nameof(Apply), b, output);
        else if (function is not (Elementwise.Gelu or Elementwise.GeluTanh or Elementwise.Tanh))
            throw new ShapeException($"Apply: {function} takes two operands; the second is missing.");
    }

    public static void DropoutAdd(Tensor x, Dropout dropout, Tensor residual, Tensor output)
    {
        Alike(nameof(DropoutAdd), x, output);
        if (!residual.IsNone)
            Alike(nameof(DropoutAdd), residual, output);
        Rate(dropout);
    }

    /// <exception cref="ArgumentOutOfRangeException">The rate is below 0, or rounds to 1.</exception>
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

    /// <returns>The keys of the longest sequence.</returns>
    public static int Attention(
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
        var mostKeys = Attention(query, queryOffsets, key, value, keyOffsets, heads, output);
        Rate(dropout);
        for (var i = 1; i < queryOffsets.Values.Length && kind == AttentionKind.Causal; i++)
        {
            var queries = queryOffsets.Values[i] - queryOffsets.Values[i - 1];
            var keys = keyOffsets.Values[i] - keyOffsets.Values[i - 1];
            if (queries > keys)
            {
                throw new ShapeException(
                    $"Attention: sequence {i - 1} has {queries} queries and {keys} keys; causal attention needs a key "
                    + "for each query.");
            }
        }

        return mostKeys;
    }

    public static void EmbeddingGradient(
        IndexBuffer ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient, Tensor typesGradient)
    {
        if (!typesGradient.IsNone)
            EmbeddingSum(tokensGradient, positionsGradient, typesGradient, ids, outputGradient);
        else
            Embeddings(
                tokensGradient.Rows, tokensGradient.Columns, positionsGradient, types: default, ids, outputGradient);
    }

    public static void AddRows(Tensor x, Tensor output)
    {
        if (output.Rows != 1 || output.Columns != x.Columns)
            throw new ShapeException($"AddRows: the output is {output}; [1, {x.Columns}] is needed.");
    }

    public static void SoftmaxCrossEntropy(Tensor logits, IndexBuffer labels, Tensor gradient)
    {
        Alike(nameof(SoftmaxCrossEntropy), gradient, logits);
        Labels(nameof(SoftmaxCrossEntropy), logits, labels);
    }

    public static void SoftmaxUnlikelihood(
        Tensor logits, IndexBuffer labels, IndexBuffer candidates, IndexBuffer candidateOffsets, Tensor gradient)
    {
        const string operation = nameof(SoftmaxUnlikelihood);
        Alike(operation, gradient, logits);
        Labels(operation, logits, labels);
        var all = candidates.Values;
        var offsets = candidateOffsets.Values;
        if (offsets.Length != logits.Rows + 1 || offsets[0] != 0 || offsets[^1] != all.Length)
        {
            throw new ShapeException(
                $"{operation}: {offsets.Length} offsets came for {logits} and {all.Length} candidates; one a row from "
                + "0 on, and the end of the last, are needed.");
        }

        for (var row = 0; row < logits.Rows; row++)
        {
            if (offsets[row] > offsets[row + 1])
                throw new ShapeException($"{operation}: the candidates of row {row} end before they begin.");
        }

        foreach (var candidate in all)
        {
            if ((uint)candidate >= (uint)logits.Columns)
            {
                throw new ShapeException(
                    $"{operation}: candidate {candidate} is not among the {logits.Columns} classes.");
            }
        }
    }

    /// <summary>A class for each row of logits.</summary>
    public static void Labels(string operation, Tensor logits, IndexBuffer labels)
    {
        var all = labels.Values;
        if (all.Length != logits.Rows)
            throw new ShapeException($"{operation}: {all.Length} labels came for {logits}; one a row is needed.");
        foreach (var label in all)
        {
            if ((uint)label >= (uint)logits.Columns)
                throw new ShapeException($"{operation}: label {label} is not among the {logits.Columns} classes.");
        }
    }

    public static void SquaredError(Tensor predictions, Tensor targets, Tensor gradient)
    {
        Alike(nameof(SquaredError), targets, predictions);
        Alike(nameof(SquaredError), gradient, predictions);
    }

    /// <summary>Pairs of rows.</summary>
    public static void Pairs(string operation, Tensor x, IndexBuffer left, IndexBuffer right, Tensor gradient)
    {
        Alike(operation, gradient, x);
        var lefts = left.Values;
        var rights = right.Values;
        if (lefts.Length != rights.Length)
        {
            throw new ShapeException(
                $"{operation}: {lefts.Length} left rows, {rights.Length} right ones; as many are needed.");
        }

        for (var i = 0; i < lefts.Length; i++)
        {
            if ((uint)lefts[i] >= (uint)x.Rows || (uint)rights[i] >= (uint)x.Rows)
                throw new ShapeException($"{operation}: rows {lefts[i]} and {rights[i]} are not both in {x}.");
        }
    }

    /// <summary>A bit for each element.</summary>
    public static void Bits(Tensor x, int bytes)
    {
        var needed = PackedMask.ByteCount((long)x.Rows * x.Columns);
        if (bytes != needed)
            throw new ShapeException($"ReadBits: there are {bytes} bytes for the bits of {x}; {needed} are needed.");
    }
}
