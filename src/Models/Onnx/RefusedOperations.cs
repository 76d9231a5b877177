namespace Serving.Models.Onnx;

/// <summary>Operations by which a graph is known to be one that is not read.</summary>
internal static class RefusedOperations
{
    /// <summary>Parts of names such as QLinearMatMul, DequantizeLinear and MatMulInteger.</summary>
    private static readonly string[] Quantized =
        ["QLinear", "Quant", "Integer", "MatMulNBits", "QAttention", "QGemm"];

    /// <exception cref="ModelFileException">There is one.</exception>
    public static void Check(OnnxGraph graph)
    {
        foreach (var node in graph.Nodes)
        {
            if (Quantized.Any(part => node.Op.Contains(part, StringComparison.Ordinal)))
            {
                throw graph.Refusal(
                    $"it is quantized ({node}); weights of 8 or fewer bits are not read. Take the export in float32 or "
                    + "float16, usually model.onnx or model_fp16.onnx");
            }

            if (node.Domain.Length > 0)
            {
                throw graph.Refusal(
                    $"{node} is of '{node.Domain}', not of ONNX itself, as graphs that were optimized for a runtime "
                    + "have it. Take the export as it was before");
            }
        }
    }
}
