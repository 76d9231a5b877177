using Serving.Models.Parameters;

namespace Serving.Models.Bert;

/// <summary>A backbone without some parts, as weights: what they would add is multiplied by 0.</summary>
public sealed class PrunedParameters(IParameterSource weights, BertConfig config, PrunedParts pruned)
    : IParameterSource
{
    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        weights.Read(name, rows, columns, firstRow, values);
        if (pruned.FeedForward.Any(layer => IsOf(name, BertTensors.Module(layer, BertMatrix.Output))))
            values.Clear();
        for (var layer = 0; layer < config.Layers; layer++)
        {
            if (name != BertTensors.Weight(layer, BertMatrix.AttentionOutput))
                continue;
            foreach (var (first, count) in ColumnRange.OfHeads(pruned.Heads[layer], config.Hidden / config.Heads))
            {
                for (var row = 0; row < values.Length; row += columns)
                    values.Slice(row + first, count).Clear();
            }
        }
    }

    private static bool IsOf(string name, string module) => name == module + ".weight" || name == module + ".bias";
}
