namespace Serving.Models.Onnx;

/// <summary>Finds the parts of a graph that are larger than an operation: from their result backwards.</summary>
internal sealed class GraphPattern(OnnxGraph graph)
{
    private const string Advice = "an encoder of BERT is needed, exported as float32 or float16 and not optimized";

    public OnnxGraph Graph => graph;

    /// <summary>The node that gives a value.</summary>
    /// <param name="part">What it is a part of, for messages.</param>
    /// <exception cref="ModelFileException">It is none of these operations.</exception>
    public OnnxNode Need(string value, string part, params ReadOnlySpan<string> operations)
    {
        if (graph.Maker(value) is { } node && operations.Contains(node.Op))
            return node;
        throw Refusal(value, part, string.Join(" or ", operations.ToArray()));
    }

    /// <summary>That a value is not what a part of BERT has there.</summary>
    public ModelFileException Refusal(string value, string part, string needed)
    {
        var found = graph.Maker(value) is { } node ? node.ToString()
            : graph.Constant(value) is { } constant ? constant.ToString()
            : graph.IsInput(value) ? $"the input '{value}'" : "nothing";
        return graph.Refusal($"where {part} has {needed}, there is {found}; {Advice}");
    }

    /// <summary>The two operands of a node that has no order of them, the one that a test holds for first.</summary>
    /// <returns>null if it holds for neither.</returns>
    public static (string Match, string Other)? Either(OnnxNode node, Func<string, bool> test) =>
        node.Inputs.Count != 2 ? null
        : test(node.Inputs[0]) ? (node.Inputs[0], node.Inputs[1])
        : test(node.Inputs[1]) ? (node.Inputs[1], node.Inputs[0])
        : null;

    /// <summary>Whether two names mean the same value.</summary>
    public bool AreSame(string a, string b) => graph.Origin(a) == graph.Origin(b);

    public bool IsMadeBy(string value, params ReadOnlySpan<string> operations) =>
        graph.Maker(value) is { } node && operations.Contains(node.Op);

    /// <summary>Whether a value is a number near another.</summary>
    /// <remarks>float16 has 11 bits.</remarks>
    public bool IsNumber(string value, double number) =>
        OnnxValues.Scalar(graph, value) is { } found && IsNear(found, number);

    public static bool IsNear(double found, double number) => Math.Abs(found - number) <= 1e-3 * Math.Abs(number);

    /// <summary>A tensor of floats with a number of dimensions; null if a value is no such constant.</summary>
    public OnnxTensor? Weights(string value, int dimensions) =>
        graph.Constant(value) is { } constant && constant.Shape.Count == dimensions
            ? constant.IsFloat
                ? constant
                : throw graph.Refusal($"{constant} is no tensor of floats; float32 or float16 is needed")
            : null;
}
