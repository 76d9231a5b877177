namespace Serving.Models.Onnx;

/// <summary>Multiplications and divisions by numbers, one behind the other.</summary>
internal sealed class ScaleChain
{
    private readonly List<(string Number, bool Divides)> _numbers = [];

    /// <summary>What is left of a value without them.</summary>
    public string Strip(GraphPattern graph, string value)
    {
        while (true)
        {
            bool IsNumber(string operand) => OnnxValues.Scalar(graph.Graph, operand) is not null;
            switch (graph.Graph.Maker(value))
            {
                case { Op: "Mul" } product when GraphPattern.Either(product, IsNumber) is var (number, other):
                    _numbers.Add((number, false));
                    value = other;
                    break;
                case { Op: "Div" } quotient when IsNumber(quotient.Input(1)):
                    _numbers.Add((quotient.Input(1), true));
                    value = quotient.Input(0);
                    break;
                default:
                    return value;
            }
        }
    }

    /// <summary>Their product.</summary>
    /// <param name="width">Of a head, which they may be computed from.</param>
    public double Value(GraphPattern graph, int width)
    {
        var scale = 1.0;
        foreach (var (number, divides) in _numbers)
        {
            var factor = OnnxValues.Scalar(graph.Graph, number, width)!.Value;
            scale = divides ? scale / factor : scale * factor;
        }

        return scale;
    }
}
