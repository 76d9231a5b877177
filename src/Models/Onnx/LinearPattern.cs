namespace Serving.Models.Onnx;

/// <summary>A matrix or a vector as the graph has it.</summary>
/// <param name="IsTransposed">Stored as [inFeatures, outFeatures].</param>
internal readonly record struct OnnxParameter(OnnxTensor Tensor, bool IsTransposed = false)
{
    public int Rows => Tensor.Shape.Count == 1 ? 1 : (int)Tensor.Shape[IsTransposed ? 1 : 0];

    public int Columns => (int)Tensor.Shape[Tensor.Shape.Count == 1 || IsTransposed ? 0 : 1];
}

/// <summary>x Wᵀ + b, as MatMul and Add, or as Gemm.</summary>
/// <param name="Input">x</param>
internal sealed record LinearPattern(string Input, OnnxParameter Weight, OnnxParameter Bias)
{
    /// <exception cref="ModelFileException">A value is none.</exception>
    public static LinearPattern Match(GraphPattern graph, string value, string part) =>
        TryMatch(graph, value)
        ?? throw graph.Refusal(value, part, "a linear layer (MatMul and Add of weights, or Gemm)");

    /// <returns>null if a value is none.</returns>
    public static LinearPattern? TryMatch(GraphPattern graph, string value) => graph.Graph.Maker(value) switch
    {
        { Op: "Gemm" } gemm => MatchGemm(graph, gemm),
        { Op: "Add" } add => MatchAdd(graph, add),
        _ => null
    };

    private static LinearPattern? MatchAdd(GraphPattern graph, OnnxNode add)
    {
        if (GraphPattern.Either(add, value => graph.IsMadeBy(value, "MatMul")) is not var (product, other)
            || graph.Weights(other, dimensions: 1) is not { } bias)
            return null;
        var matmul = graph.Graph.Maker(product)!;
        return Matrix(graph, matmul.Input(1)) is { } weight ? new(matmul.Input(0), weight, new(bias)) : null;
    }

    private static LinearPattern? MatchGemm(GraphPattern graph, OnnxNode gemm)
    {
        if (gemm.Integer("transA", 0) != 0 || !GraphPattern.IsNear(gemm.Number("alpha", 1), 1)
            || !GraphPattern.IsNear(gemm.Number("beta", 1), 1)
            || Matrix(graph, gemm.Input(1)) is not { } weight || graph.Weights(gemm.Input(2), 1) is not { } bias)
            return null;
        var isTransposed = gemm.Integer("transB", 0) != 0 ? !weight.IsTransposed : weight.IsTransposed;
        return new(gemm.Input(0), weight with { IsTransposed = isTransposed }, new(bias));
    }

    /// <summary>A product's right side: weights as [inFeatures, outFeatures], or their Transpose.</summary>
    private static OnnxParameter? Matrix(GraphPattern graph, string value)
    {
        if (graph.Weights(value, dimensions: 2) is { } stored)
            return new(stored, IsTransposed: true);
        return graph.Graph.Maker(value) is { Op: "Transpose" } transpose
            && transpose.Integers("perm") is null or [1, 0]
            && graph.Weights(transpose.Input(0), dimensions: 2) is { } weights
                ? new(weights)
                : null;
    }
}
