using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Training.Pruning;

/// <summary>A backbone whose layers have each other's matrices (the published code of Chen et al. 2020).</summary>
/// <remarks>All six matrices of a layer move together; biases, norms, embeddings and pooler stay.</remarks>
public sealed class ShuffledLayers : IParameterSource
{
    private readonly IParameterSource _weights;
    private readonly Dictionary<string, string> _sources = new(StringComparer.Ordinal);

    /// <param name="config">Of two layers or more.</param>
    public ShuffledLayers(IParameterSource weights, BertConfig config, ulong seed)
    {
        _weights = weights;
        var order = Order(config.Layers, seed);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            foreach (var matrix in Enum.GetValues<BertMatrix>())
                _sources.Add(BertTensors.Weight(layer, matrix), BertTensors.Weight(order[layer], matrix));
        }
    }

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values) =>
        _weights.Read(_sources.GetValueOrDefault(name, name), rows, columns, firstRow, values);

    /// <summary>The first drawn that is not the order of before.</summary>
    private static int[] Order(int layers, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 2);
        for (var draw = 0UL; ; draw++)
        {
            var order = CounterRandom.Permutation(layers, CounterRandom.Bits(seed, draw));
            if (order.Index().Any(each => each.Item != each.Index))
                return order;
        }
    }
}
