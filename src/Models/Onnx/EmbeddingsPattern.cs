namespace Serving.Models.Onnx;

/// <summary>The sum of the embeddings of words, positions and types, each a Gather of rows.</summary>
internal sealed record EmbeddingsPattern(OnnxParameter Words, OnnxParameter Positions, OnnxParameter Types)
{
    private const string Part = "the embeddings";
    private const int Summands = 3;

    /// <returns>null if a value is not the sum of Gathers.</returns>
    /// <exception cref="ModelFileException">They are not those of BERT.</exception>
    public static EmbeddingsPattern? TryMatch(GraphPattern graph, string value)
    {
        var summands = new List<string>();
        Collect(graph, value, summands);
        if (!summands.Exists(summand => graph.IsMadeBy(summand, "Gather")))
            return null;
        if (summands.Count != Summands)
        {
            throw graph.Graph.Refusal(
                $"its embeddings are a sum of {summands.Count} parts; BERT's are words, positions and types");
        }

        var gathers = summands.ConvertAll(summand => graph.Need(summand, Part, "Gather"));
        var positions = gathers.FindAll(gather => !IsOfInput(graph, gather));
        var others = gathers.FindAll(gather => IsOfInput(graph, gather));
        if (positions.Count != 1)
            throw graph.Refusal(value, Part, "words and types by inputs, and positions that are counted");
        PositionPattern.Check(graph, positions[0].Input(1));
        var inputs = others.ConvertAll(gather => graph.Graph.IndexOrigin(gather.Input(1)));
        if (inputs[0] == inputs[1])
            throw graph.Refusal(value, Part, "words and types by an input each");
        var tables = others.ConvertAll(gather => Table(graph, gather));
        var isWordsFirst = tables[0].Rows >= tables[1].Rows;
        return new(tables[isWordsFirst ? 0 : 1], Table(graph, positions[0]), tables[isWordsFirst ? 1 : 0]);
    }

    private static void Collect(GraphPattern graph, string value, List<string> summands)
    {
        if (summands.Count <= Summands && graph.Graph.Maker(value) is { Op: "Add", Inputs.Count: 2 } add)
        {
            Collect(graph, add.Inputs[0], summands);
            Collect(graph, add.Inputs[1], summands);
            return;
        }

        summands.Add(value);
    }

    private static bool IsOfInput(GraphPattern graph, OnnxNode gather) =>
        graph.Graph.IsInput(graph.Graph.IndexOrigin(gather.Input(1)));

    private static OnnxParameter Table(GraphPattern graph, OnnxNode gather) =>
        gather.Integer("axis", 0) == 0 && graph.Weights(gather.Input(0), dimensions: 2) is { } table
            ? new(table)
            : throw graph.Refusal(gather.Input(0), Part, "a matrix of weights");
}
