namespace Serving.Models.Onnx;

/// <summary>A linear layer whose result is cut into heads: Reshape, Transpose, and perhaps a scale.</summary>
/// <param name="Width">Of a head.</param>
/// <param name="Permutation">Of [batch, seq, heads, headDim].</param>
internal sealed record HeadPattern(
    LinearPattern Linear, int Heads, int Width, IReadOnlyList<long> Permutation, double Scale)
{
    private const string Part = "attention";

    /// <exception cref="ModelFileException">A value is none.</exception>
    public static HeadPattern Match(GraphPattern graph, string value)
    {
        var scale = new ScaleChain();
        long[] permutation = [0, 1, 2, 3];
        while (true)
        {
            value = scale.Strip(graph, value);
            var node = graph.Need(value, Part, "Transpose", "Reshape");
            if (node.Op == "Reshape")
            {
                var linear = LinearPattern.Match(graph, scale.Strip(graph, node.Input(0)), Part);
                var (heads, width) = Split(graph, node, linear.Weight.Rows);
                return new(linear, heads, width, permutation, scale.Value(graph, width));
            }

            var turned = node.Integers("perm") ?? [];
            if (turned.Length != permutation.Length || !turned.Order().SequenceEqual([0, 1, 2, 3]))
                throw graph.Refusal(value, Part, "a Transpose of four axes");
            permutation = [.. permutation.Select(axis => turned[axis])];
            value = node.Input(0);
        }
    }

    /// <summary>The last two sizes of a Reshape, one of which may be what is left.</summary>
    private static (int Heads, int Width) Split(GraphPattern graph, OnnxNode reshape, int hidden)
    {
        if (OnnxValues.Integers(graph.Graph, reshape.Input(1)) is [_, _, { } heads, { } width])
        {
            if (heads == -1 && width > 0)
                heads = hidden / width;
            if (width == -1 && heads > 0)
                width = hidden / heads;
            if (heads is > 0 and <= int.MaxValue && width is > 0 and <= int.MaxValue && heads * width == hidden)
                return ((int)heads, (int)width);
        }

        throw graph.Refusal(reshape.Outputs[0], Part, "a Reshape to [batch, seq, heads, headDim]");
    }
}
