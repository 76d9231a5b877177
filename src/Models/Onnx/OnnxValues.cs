namespace Serving.Models.Onnx;

/// <summary>Numbers of a graph that do not depend on the texts.</summary>
internal static class OnnxValues
{
    private const int MostDepth = 32;

    /// <summary>A number, also where it is computed from a head's width, as exported attention scales are.</summary>
    /// <param name="width">The last size of whatever Shape is asked for.</param>
    /// <returns>null if it is none.</returns>
    public static double? Scalar(OnnxGraph graph, string value, int width = 1, int depth = 0)
    {
        if (graph.Constant(value) is { } constant)
            return constant.TryReadScalar();
        if (depth > MostDepth || graph.Maker(value) is not { } node)
            return null;
        double? Operand(int i) => Scalar(graph, node.Input(i), width, depth + 1);
        return node.Op switch
        {
            "Constant" when node.Has("value_float") => node.Number("value_float", 0),
            "Constant" when node.Has("value_int") => node.Integer("value_int", 0),
            "Sqrt" => Operand(0) is { } square ? Math.Sqrt(square) : null,
            "Reciprocal" => 1 / Operand(0),
            "Mul" => Operand(0) * Operand(1),
            "Div" => Operand(0) / Operand(1),
            "Pow" => Operand(0) is { } x && Operand(1) is { } power ? Math.Pow(x, power) : null,
            "Cast" or "Squeeze" or "Unsqueeze" => Operand(0),
            "Slice" or "Gather" => IsLastSize(graph, node) ? width : null,
            _ => null
        };
    }

    /// <summary>The elements of a shape or a list of axes, null for each that depends on the texts.</summary>
    /// <returns>null where not even their number is known.</returns>
    public static long?[]? Integers(OnnxGraph graph, string value, int depth = 0)
    {
        value = graph.IndexOrigin(value);
        if (graph.Constant(value)?.TryReadIntegers() is { } constant)
            return [.. constant.Select(number => (long?)number)];
        if (depth > MostDepth || graph.Maker(value) is not { } node)
            return null;
        switch (node.Op)
        {
            case "Constant":
                return node.Integers("value_ints") is { Length: > 0 } numbers
                    ? [.. numbers.Select(number => (long?)number)]
                    : node.Has("value_int") ? [node.Integer("value_int", 0)] : null;
            case "Unsqueeze" or "Squeeze":
                return Integers(graph, node.Input(0), depth + 1) is { Length: 1 } one ? one : [null];
            case "Reshape" when Integers(graph, node.Input(1), depth + 1) is [1 or -1]:
                return Integers(graph, node.Input(0), depth + 1) is { Length: 1 } single ? single : [null];
            case "Concat":
                var parts = node.Inputs.Select(input => Integers(graph, input, depth + 1)).ToList();
                return parts.Any(part => part is null) ? null : [.. parts.SelectMany(part => part!)];
            case "Gather" when Integers(graph, node.Input(1), depth + 1) is { Length: 1 }:
                return [null];
            default:
                return null;
        }
    }

    /// <summary>The axes of a reduction, which are an attribute or, of late, an input.</summary>
    public static IReadOnlyList<long?> Axes(OnnxGraph graph, OnnxNode node) =>
        node.Integers("axes") is { } axes
            ? [.. axes.Select(axis => (long?)axis)]
            : node.Input(1).Length > 0 ? Integers(graph, node.Input(1)) ?? [] : [];

    private static bool IsLastSize(OnnxGraph graph, OnnxNode node) =>
        graph.Maker(node.Input(0)) is { Op: "Shape" } && Integers(graph, node.Input(1)) is [-1 or 3];
}
