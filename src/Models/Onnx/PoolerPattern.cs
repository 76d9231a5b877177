namespace Serving.Models.Onnx;

/// <summary>BERT's pooler: tanh of a linear layer over the first token.</summary>
internal static class PoolerPattern
{
    private const string Part = "the pooler";

    /// <param name="hidden">The last hidden states.</param>
    /// <returns>null where the graph has none.</returns>
    /// <exception cref="ModelFileException">An output is the tanh of something else.</exception>
    public static LinearPattern? Find(GraphPattern graph, string hidden)
    {
        var outputs = graph.Graph.Outputs.Select(graph.Graph.Origin).ToHashSet(StringComparer.Ordinal);
        LinearPattern? found = null;
        foreach (var tanh in graph.Graph.Nodes.Where(node => node.Op == "Tanh"))
        {
            var linear = LinearPattern.TryMatch(graph, tanh.Input(0));
            var isPooler = linear is not null && IsFirstToken(graph, linear.Input, hidden);
            if (isPooler && found is not null)
                throw graph.Graph.Refusal($"it has two poolers, the second at {tanh}; one or none is needed");
            if (isPooler)
                found = linear;
            else if (outputs.Contains(tanh.Outputs[0]))
                throw graph.Refusal(tanh.Input(0), Part, "a linear layer over the first token");
        }

        return found;
    }

    private static bool IsFirstToken(GraphPattern graph, string value, string hidden) =>
        graph.Graph.Maker(value) is { Op: "Gather" } gather && gather.Integer("axis", 0) == 1
        && graph.IsNumber(gather.Input(1), 0) && graph.AreSame(gather.Input(0), hidden);
}
