namespace Serving.Models.Onnx;

/// <summary>A layer normalization: LayerNormalization, or the operations that it is made of.</summary>
/// <param name="Epsilon">As the graph has it; 0 where float16 can't hold it.</param>
internal sealed record NormPattern(string Input, OnnxParameter Weight, OnnxParameter Bias, float Epsilon)
{
    private const string Part = "a layer normalization";

    /// <exception cref="ModelFileException">A value is none.</exception>
    public static NormPattern Match(GraphPattern graph, string value) =>
        graph.Graph.Maker(value) is { Op: "LayerNormalization" } fused
            ? MatchFused(graph, fused)
            : MatchParts(graph, value);

    /// <summary>Whether it may be one: the rest is looked at when it is matched.</summary>
    public static bool IsLikely(GraphPattern graph, string value) => graph.Graph.Maker(value) switch
    {
        { Op: "LayerNormalization" } => true,
        { Op: "Add" } add => GraphPattern.Either(add, operand => graph.Weights(operand, 1) is not null)
            is var (_, scaled) && graph.IsMadeBy(scaled, "Mul"),
        _ => false
    };

    private static NormPattern MatchFused(GraphPattern graph, OnnxNode node)
    {
        if (node.Integer("axis", -1) is not (-1 or 2))
            throw graph.Graph.Refusal($"{node} normalizes another axis than the last one; BERT's is the last");
        return new(
            node.Input(0), Vector(graph, node.Input(1), "weights"), Vector(graph, node.Input(2), "biases"),
            node.Number("epsilon", 1e-5f));
    }

    private static NormPattern MatchParts(GraphPattern graph, string value)
    {
        var shift = graph.Need(value, Part, "Add");
        var (bias, scaled) = GraphPattern.Either(shift, operand => graph.Weights(operand, 1) is not null)
            ?? throw graph.Refusal(value, Part, "biases that are added");
        var scale = graph.Need(scaled, Part, "Mul");
        var (weight, ratio) = GraphPattern.Either(scale, operand => graph.Weights(operand, 1) is not null)
            ?? throw graph.Refusal(scaled, Part, "weights that are multiplied");
        var (centered, deviation) = Ratio(graph, ratio);
        var input = Centered(graph, centered);
        var spread = graph.Need(deviation, Part, "Sqrt", "Pow");
        if (spread.Op == "Pow" && !graph.IsNumber(spread.Input(1), 0.5))
            throw graph.Refusal(deviation, Part, "a square root");
        var sum = graph.Need(spread.Input(0), Part, "Add");
        var (epsilon, variance) = GraphPattern.Either(sum, operand => graph.Graph.Scalar(operand) is not null)
            ?? throw graph.Refusal(spread.Input(0), Part, "an epsilon that is added");
        var square = graph.Need(Mean(graph, variance), Part, "Pow", "Mul");
        var isSquare = square.Op == "Pow"
            ? graph.IsNumber(square.Input(1), 2)
            : graph.AreSame(square.Input(0), square.Input(1));
        if (!isSquare || !graph.AreSame(Centered(graph, square.Input(0)), input))
            throw graph.Refusal(square.Outputs[0], Part, "the squares of what it normalizes");
        return new(
            input, Vector(graph, weight, "weights"), Vector(graph, bias, "biases"),
            (float)graph.Graph.Scalar(epsilon)!.Value);
    }

    /// <summary>a / b, or a times the reciprocal of b.</summary>
    private static (string Centered, string Deviation) Ratio(GraphPattern graph, string value)
    {
        var node = graph.Need(value, Part, "Div", "Mul");
        if (node.Op == "Div")
            return (node.Input(0), node.Input(1));
        var (reciprocal, other) = GraphPattern.Either(node, operand => graph.IsMadeBy(operand, "Reciprocal"))
            ?? throw graph.Refusal(value, Part, "a division");
        return (other, graph.Graph.Maker(reciprocal)!.Input(0));
    }

    /// <summary>x of x - mean(x).</summary>
    private static string Centered(GraphPattern graph, string value)
    {
        var difference = graph.Need(value, Part, "Sub");
        return graph.AreSame(Mean(graph, difference.Input(1)), difference.Input(0))
            ? graph.Graph.Origin(difference.Input(0))
            : throw graph.Refusal(value, Part, "a difference to the mean");
    }

    /// <summary>What a value is the mean of, along the last axis.</summary>
    private static string Mean(GraphPattern graph, string value)
    {
        var mean = graph.Need(value, Part, "ReduceMean");
        return OnnxValues.Axes(graph.Graph, mean) is [-1 or 2] && mean.Integer("keepdims", 1) == 1
            ? mean.Input(0)
            : throw graph.Refusal(value, Part, "a mean along the last axis");
    }

    private static OnnxParameter Vector(GraphPattern graph, string value, string name) =>
        new(graph.Weights(value, 1) ?? throw graph.Refusal(value, Part, name));
}
