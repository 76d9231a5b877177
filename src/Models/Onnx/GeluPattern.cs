namespace Serving.Models.Onnx;

/// <summary>The exact GELU, x Φ(x) (Hendrycks and Gimpel 2016, sec. 2): Gelu, or x (1 + erf(x / √2)) / 2.</summary>
internal static class GeluPattern
{
    private const string Part = "the feed-forward layer";
    private const int MostFactors = 8;

    /// <returns>x</returns>
    /// <exception cref="ModelFileException">A value is another activation.</exception>
    public static string Match(GraphPattern graph, string value)
    {
        if (graph.Graph.Maker(value) is { Op: "Gelu" } gelu)
        {
            return gelu.Text("approximate", "none") == "none" ? gelu.Input(0) : throw Approximation(graph);
        }

        var constant = 1.0;
        var factors = new List<string>();
        Collect(graph, value, ref constant, factors);
        var (sum, input) = Split(graph, factors) ?? throw Other(graph, value);
        var inner = graph.Graph.Maker(sum)!;
        var (function, one) = GraphPattern.Either(inner, operand => graph.IsMadeBy(operand, "Erf", "Tanh"))!.Value;
        if (graph.IsMadeBy(function, "Tanh"))
            throw Approximation(graph);
        var scale = 1.0;
        var arguments = new List<string>();
        Collect(graph, graph.Graph.Maker(function)!.Input(0), ref scale, arguments);
        var isExact = GraphPattern.IsNear(constant, 0.5) && graph.IsNumber(one, 1)
            && GraphPattern.IsNear(scale, Math.Sqrt(0.5))
            && arguments.Count == 1 && graph.AreSame(arguments[0], input);
        return isExact ? input : throw Other(graph, value);
    }

    /// <summary>The factors of a product, numbers and others apart.</summary>
    private static void Collect(GraphPattern graph, string value, ref double constant, List<string> factors)
    {
        if (OnnxValues.Scalar(graph.Graph, value) is { } number)
        {
            constant *= number;
            return;
        }

        var node = graph.Graph.Maker(value);
        if (factors.Count < MostFactors && node is { Op: "Mul", Inputs.Count: 2 })
        {
            Collect(graph, node.Inputs[0], ref constant, factors);
            Collect(graph, node.Inputs[1], ref constant, factors);
        }
        else if (node is { Op: "Div" } && OnnxValues.Scalar(graph.Graph, node.Input(1)) is { } divisor)
        {
            constant /= divisor;
            Collect(graph, node.Input(0), ref constant, factors);
        }
        else
        {
            factors.Add(value);
        }
    }

    /// <summary>1 + f(x), and x.</summary>
    private static (string Sum, string Input)? Split(GraphPattern graph, List<string> factors)
    {
        if (factors.Count != 2)
            return null;
        bool IsSum(string value) => graph.Graph.Maker(value) is { Op: "Add" } add
            && GraphPattern.Either(add, operand => graph.IsMadeBy(operand, "Erf", "Tanh")) is not null;
        return IsSum(factors[0]) ? (factors[0], factors[1]) : IsSum(factors[1]) ? (factors[1], factors[0]) : null;
    }

    private static ModelFileException Approximation(GraphPattern graph) => graph.Graph.Refusal(
        "its activation is GELU approximated by tanh ('gelu_new'), which gives other numbers than the exact one; only "
        + "'gelu' runs here");

    private static ModelFileException Other(GraphPattern graph, string value) =>
        graph.Refusal(value, Part, "exact GELU ('gelu'), the only activation that runs here");
}
