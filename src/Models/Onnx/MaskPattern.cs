namespace Serving.Models.Onnx;

/// <summary>What is added to attention's scores: it may hide padding and nothing else.</summary>
internal static class MaskPattern
{
    /// <summary>What hides a token is at most this; exp(-1000) is 0 as float32.</summary>
    public const double Highest = -1000;

    private const string Part = "the mask of attention";
    private const int MostIntegers = 16;

    /// <summary>Operations that look neither at places nor at weights, which other masks do.</summary>
    private static readonly HashSet<string> Allowed = new(StringComparer.Ordinal)
    {
        "Unsqueeze", "Squeeze", "Cast", "Sub", "Mul", "Add", "Shape", "Gather", "Slice", "Concat", "Expand", "Where",
        "Equal", "Not", "And", "ConstantOfShape", "Reshape", "Identity", "Constant"
    };

    /// <exception cref="ModelFileException">It depends on more than which tokens are padding.</exception>
    public static void Check(GraphPattern graph, string mask)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>([mask]);
        var hasInput = false;
        while (open.TryPop(out var value))
        {
            if (value.Length == 0 || !seen.Add(value))
                continue;
            if (graph.Graph.IsInput(value))
                hasInput = true;
            else if (graph.Graph.Constant(value) is { } constant)
                ThrowIfLarge(graph, value, constant);
            else if (graph.Graph.Maker(value) is { } node)
                Visit(graph, node, open);
        }

        if (!hasInput)
            throw graph.Refusal(mask, Part, "an input that says which tokens are padding");
    }

    private static void ThrowIfLarge(GraphPattern graph, string value, OnnxTensor constant)
    {
        if (constant.Elements > (constant.IsFloat ? 1 : MostIntegers))
            throw graph.Refusal(value, Part, "no tensor");
    }

    private static void Visit(GraphPattern graph, OnnxNode node, Stack<string> open)
    {
        if (!Allowed.Contains(node.Op))
            throw graph.Graph.Refusal($"{Part} depends on {node}; only padding may be hidden, as BERT does");
        if (node.Op == "Shape")
            return;
        foreach (var input in node.Inputs)
            open.Push(input);
    }
}
