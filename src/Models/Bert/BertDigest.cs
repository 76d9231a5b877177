using Serving.Models.Parameters;

namespace Serving.Models.Bert;

/// <summary>The digest of an encoder's parameters, read from its weights without an encoder.</summary>
internal static class BertDigest
{
    /// <exception cref="ModelFileException">A parameter is missing or has another shape.</exception>
    public static string Read(BertConfig config, IParameterSource weights) =>
        ParameterDigest.Of(Parameters(config), weights);

    /// <summary>Every parameter, in the order in which <see cref="BertParameters.Load"/> reads them.</summary>
    internal static IEnumerable<(string Name, int Rows, int Columns)> Parameters(BertConfig config)
    {
        yield return (BertTensors.WordEmbeddings, config.Vocab, config.Hidden);
        yield return (BertTensors.PositionEmbeddings, config.MaxPositions, config.Hidden);
        yield return (BertTensors.TypeEmbeddings, config.Types, config.Hidden);
        foreach (var part in Norm(BertTensors.EmbeddingNorm))
            yield return part;
        for (var layer = 0; layer < config.Layers; layer++)
        {
            foreach (var stack in BertStacks.OfLayer(config, layer))
            {
                foreach (var matrix in stack)
                {
                    var (rows, columns) = BertTensors.Shape(config, matrix);
                    yield return (BertTensors.Weight(layer, matrix), rows, columns);
                }

                foreach (var matrix in stack)
                {
                    var rows = BertTensors.Shape(config, matrix).Rows;
                    yield return (BertTensors.Module(layer, matrix) + ".bias", 1, rows);
                }
            }

            foreach (var part in Norm(BertTensors.AttentionNorm(layer)).Concat(Norm(BertTensors.OutputNorm(layer))))
                yield return part;
        }

        if (config.HasPooler)
        {
            yield return (BertTensors.PoolerWeight, config.Hidden, config.Hidden);
            yield return (BertTensors.PoolerBias, 1, config.Hidden);
        }

        (string, int, int)[] Norm(string name) =>
            [(name + ".weight", 1, config.Hidden), (name + ".bias", 1, config.Hidden)];
    }
}
