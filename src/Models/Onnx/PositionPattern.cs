namespace Serving.Models.Onnx;

/// <summary>The positions of tokens: 0, 1, 2 and so on, as a part of a list or counted.</summary>
internal static class PositionPattern
{
    private const string Part = "the position embeddings";

    /// <exception cref="ModelFileException">They begin elsewhere, or are made in a way that is not known.</exception>
    public static void Check(GraphPattern graph, string value)
    {
        while (true)
        {
            value = graph.Graph.IndexOrigin(value);
            if (graph.Graph.Constant(value) is { } list)
            {
                if (list.TryReadIntegers() is not { } numbers || numbers.Where((number, i) => number != i).Any())
                    throw graph.Refusal(value, Part, "the numbers from 0 on");
                return;
            }

            var node = graph.Need(value, Part, "Slice", "Range", "Unsqueeze", "Expand", "Reshape", "Add");
            switch (node.Op)
            {
                case "Range":
                    if (!graph.IsNumber(node.Input(0), 0) || !graph.IsNumber(node.Input(2), 1))
                        throw graph.Refusal(value, Part, "a Range from 0 in steps of 1");
                    return;
                case "Slice" when !StartsAtZero(graph, node):
                    throw graph.Refusal(value, Part, "a Slice from 0 on in steps of 1");
                case "Add":
                    (_, value) = GraphPattern.Either(node, operand => graph.IsNumber(operand, 0))
                        ?? throw graph.Refusal(value, Part, "positions that are not moved");
                    break;
                default:
                    value = node.Input(0);
                    break;
            }
        }
    }

    private static bool StartsAtZero(GraphPattern graph, OnnxNode slice)
    {
        if (slice.Integers("starts") is { Length: > 0 } attribute) // Up to opset 9.
            return Array.TrueForAll(attribute, start => start == 0);
        var starts = OnnxValues.Integers(graph.Graph, slice.Input(1));
        var steps = slice.Input(4).Length == 0 ? [1] : OnnxValues.Integers(graph.Graph, slice.Input(4));
        return starts is { Length: > 0 } && Array.TrueForAll(starts, start => start == 0)
            && steps is { Length: > 0 } && Array.TrueForAll(steps, step => step == 1);
    }
}
