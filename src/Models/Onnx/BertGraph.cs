using Serving.Models.Bert;

namespace Serving.Models.Onnx;

/// <summary>A BERT that was found in a graph: its shape, and its parameters by their names in checkpoints.</summary>
internal sealed class BertGraph
{
    /// <summary>What float16 makes of BERT's 1e-12 is 0, or the least that a converter lets through.</summary>
    private const float LeastOfFloat16 = 1.1e-7f;

    private const float UsualEpsilon = 1e-12f;

    private readonly Dictionary<string, OnnxParameter> _parameters = new(StringComparer.Ordinal);

    private BertGraph(BertConfig config) => Config = config;

    public BertConfig Config { get; }

    public IReadOnlyDictionary<string, OnnxParameter> Parameters => _parameters;

    /// <summary>Follows a graph from its last hidden states back to its inputs.</summary>
    /// <exception cref="ModelFileException">It is no BERT, or one that does not run here.</exception>
    public static BertGraph Find(OnnxGraph onnx)
    {
        RefusedOperations.Check(onnx);
        var graph = new GraphPattern(onnx);
        var hidden = LastHidden(graph);
        var norm = NormPattern.Match(graph, hidden);
        var layers = new List<LayerPattern>();
        EmbeddingsPattern? embeddings;
        while ((embeddings = EmbeddingsPattern.TryMatch(graph, norm.Input)) is null)
        {
            layers.Insert(0, LayerPattern.Match(graph, norm));
            norm = NormPattern.Match(graph, layers[0].Attention.Input);
        }

        if (layers.Count == 0)
            throw onnx.Refusal("it has embeddings and no layers of attention; it is no encoder of BERT");
        var pooler = PoolerPattern.Find(graph, hidden);
        var found = new BertGraph(Shape(onnx, embeddings, norm, layers, pooler is not null));
        found.Collect(embeddings, norm, layers, pooler);
        found.ThrowUnlessWhole(onnx);
        return found;
    }

    /// <summary>The output that is normalized, the last one if all hidden states are given out.</summary>
    private static string LastHidden(GraphPattern graph) => graph.Graph.Outputs
        .Where(output => NormPattern.IsLikely(graph, output))
        .MaxBy(output => graph.Graph.Maker(output)!.Index)
        ?? throw graph.Graph.Refusal(
            $"none of its outputs ({string.Join(", ", graph.Graph.Outputs.Take(5))}) are hidden states of BERT. Export "
            + "the encoder alone, for instance with 'optimum-cli export onnx --task feature-extraction'");

    private static BertConfig Shape(
        OnnxGraph graph, EmbeddingsPattern embeddings, NormPattern norm, List<LayerPattern> layers, bool hasPooler)
    {
        var heads = layers.Select(layer => layer.Attention.Heads).Distinct().ToList();
        if (heads.Count > 1)
            throw graph.Refusal($"its layers have {string.Join(" and ", heads)} heads; as many in each are needed");
        var norms = layers.SelectMany(layer => (NormPattern[])[layer.AttentionNorm, layer.OutputNorm]).Prepend(norm);
        var epsilons = norms.Select(one => one.Epsilon).Distinct().ToList();
        if (epsilons.Count > 1)
            throw graph.Refusal($"its normalizations add {string.Join(" and ", epsilons)}; one epsilon is needed");
        var isHalf = norm.Weight.Tensor.Type == OnnxTypes.Float16;
        return new()
        {
            Vocab = embeddings.Words.Rows,
            Hidden = embeddings.Words.Columns,
            Layers = layers.Count,
            Heads = heads[0],
            Inner = layers[0].Intermediate.Weight.Rows,
            MaxPositions = embeddings.Positions.Rows,
            Types = embeddings.Types.Rows,
            LayerNormEpsilon = isHalf && epsilons[0] <= LeastOfFloat16 ? UsualEpsilon : epsilons[0],
            HasPooler = hasPooler
        };
    }

    private void Collect(
        EmbeddingsPattern embeddings, NormPattern norm, List<LayerPattern> layers, LinearPattern? pooler)
    {
        _parameters.Add(BertTensors.WordEmbeddings, embeddings.Words);
        _parameters.Add(BertTensors.PositionEmbeddings, embeddings.Positions);
        _parameters.Add(BertTensors.TypeEmbeddings, embeddings.Types);
        Add(BertTensors.EmbeddingNorm, norm.Weight, norm.Bias);
        for (var i = 0; i < layers.Count; i++)
        {
            var layer = layers[i];
            Add(i, BertMatrix.Query, layer.Attention.Query);
            Add(i, BertMatrix.Key, layer.Attention.Key);
            Add(i, BertMatrix.Value, layer.Attention.Value);
            Add(i, BertMatrix.AttentionOutput, layer.AttentionOutput);
            Add(BertTensors.AttentionNorm(i), layer.AttentionNorm.Weight, layer.AttentionNorm.Bias);
            Add(i, BertMatrix.Intermediate, layer.Intermediate);
            Add(i, BertMatrix.Output, layer.Output);
            Add(BertTensors.OutputNorm(i), layer.OutputNorm.Weight, layer.OutputNorm.Bias);
        }

        if (pooler is not null)
            Add(BertTensors.Pooler, pooler.Weight, pooler.Bias);
    }

    private void Add(int layer, BertMatrix matrix, LinearPattern linear) =>
        Add(BertTensors.Module(layer, matrix), linear.Weight, linear.Bias);

    private void Add(string module, OnnxParameter weight, OnnxParameter bias)
    {
        _parameters.Add(module + ".weight", weight);
        _parameters.Add(module + ".bias", bias);
    }

    private void ThrowUnlessWhole(OnnxGraph graph)
    {
        foreach (var (name, rows, columns) in BertDigest.Parameters(Config))
        {
            var parameter = _parameters[name];
            if (parameter.Rows != rows || parameter.Columns != columns)
            {
                throw graph.Refusal(
                    $"{parameter.Tensor} stands for '{name}', which needs [{rows}, {columns}] in a BERT of "
                    + $"{Config.Hidden} hidden, {Config.Inner} inner; the graph is damaged or no BERT");
            }
        }
    }
}
