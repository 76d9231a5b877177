namespace Serving.Models.Onnx;

/// <summary>Attention over heads, from its context back to the three linear layers.</summary>
internal sealed record AttentionPattern(
    string Input, LinearPattern Query, LinearPattern Key, LinearPattern Value, int Heads)
{
    private const string Part = "attention";

    private static readonly long[] HeadsFirst = [0, 2, 1, 3];
    private static readonly long[] HeadsFirstTransposed = [0, 2, 3, 1];

    /// <param name="context">[batch, seq, hidden], what the layer behind it reads.</param>
    /// <exception cref="ModelFileException">It is no attention as BERT has it.</exception>
    public static AttentionPattern Match(GraphPattern graph, string context)
    {
        var joined = graph.Need(context, Part, "Reshape");
        var turned = graph.Need(joined.Input(0), Part, "Transpose");
        if (turned.Integers("perm")?.SequenceEqual(HeadsFirst) != true)
            throw graph.Refusal(joined.Input(0), Part, "a Transpose of [0, 2, 1, 3]");
        var product = graph.Need(turned.Input(0), Part, "MatMul");
        var value = HeadPattern.Match(graph, product.Input(1));
        var scores = graph.Need(Scores(graph, product.Input(0)), Part, "MatMul");
        var query = HeadPattern.Match(graph, scores.Input(0));
        var key = HeadPattern.Match(graph, scores.Input(1));
        HeadPattern[] all = [query, key, value];
        if (!query.Permutation.SequenceEqual(HeadsFirst) || !value.Permutation.SequenceEqual(HeadsFirst)
            || !key.Permutation.SequenceEqual(HeadsFirstTransposed)
            || all.Any(part => part.Heads != query.Heads || part.Width != query.Width))
            throw graph.Refusal(turned.Input(0), Part, "queries, keys and values by head");
        var scale = query.Scale * key.Scale * Scale(graph, product.Input(0), query.Width);
        if (!GraphPattern.IsNear(scale, 1 / Math.Sqrt(query.Width)) || !GraphPattern.IsNear(value.Scale, 1))
            throw graph.Refusal(turned.Input(0), Part, "scores divided by the root of a head's width");
        var input = query.Linear.Input;
        if (all.Any(part => !graph.AreSame(part.Linear.Input, input)))
            throw graph.Refusal(turned.Input(0), Part, "queries, keys and values of one input");
        if (OnnxValues.Integers(graph.Graph, joined.Input(1)) is not [.., var last]
            || (last != -1 && last != (long)query.Heads * query.Width))
            throw graph.Refusal(context, Part, "the heads side by side");
        return new(input, query.Linear, key.Linear, value.Linear, query.Heads);
    }

    /// <summary>What the scores are multiplied by behind their product.</summary>
    private static double Scale(GraphPattern graph, string probabilities, int width)
    {
        var scale = new ScaleChain();
        scale.Strip(graph, Masked(graph, probabilities));
        return scale.Value(graph, width);
    }

    /// <summary>The product of queries and keys, behind softmax, mask and scale.</summary>
    private static string Scores(GraphPattern graph, string probabilities) =>
        new ScaleChain().Strip(graph, Masked(graph, probabilities));

    /// <summary>What the mask is added to.</summary>
    private static string Masked(GraphPattern graph, string probabilities)
    {
        // A row without any token would give NaN; some exports make zeros of it.
        if (graph.Graph.Maker(probabilities) is { Op: "Where" } guard
            && graph.Graph.Maker(guard.Input(0)) is { Op: "IsNaN" } test && test.Input(0) == guard.Input(2))
            probabilities = guard.Input(2);
        var softmax = graph.Need(probabilities, Part, "Softmax");
        if (softmax.Integer("axis", -1) is not (-1 or 3))
            throw graph.Refusal(probabilities, Part, "Softmax along the last axis");
        var scores = softmax.Input(0);
        bool IsScore(string value) => graph.IsMadeBy(new ScaleChain().Strip(graph, value), "MatMul");
        switch (graph.Graph.Maker(scores))
        {
            case { Op: "Add" } add when GraphPattern.Either(add, IsScore) is var (masked, mask):
                MaskPattern.Check(graph, mask);
                return masked;
            case { Op: "Where" } choice when IsScore(choice.Input(1)) && IsLow(graph, choice.Input(2)):
                MaskPattern.Check(graph, choice.Input(0));
                return choice.Input(1);
            case { Op: "Where" } choice when IsScore(choice.Input(2)) && IsLow(graph, choice.Input(1)):
                MaskPattern.Check(graph, choice.Input(0));
                return choice.Input(2);
            default:
                return scores;
        }
    }

    private static bool IsLow(GraphPattern graph, string value) =>
        OnnxValues.Scalar(graph.Graph, value) <= MaskPattern.Highest;
}
