using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;

namespace Serving.Training.Bert;

/// <summary>Gates of 0 at the parts of a layer that are left out, see <see cref="PrunedParts"/>.</summary>
internal sealed class ClosedGates : ILayerGates
{
    private readonly IReadOnlyList<(int First, int Count)> _columns;
    private readonly bool _hasFeedForward;

    private ClosedGates(IReadOnlyList<(int First, int Count)> columns, bool hasFeedForward) =>
        (_columns, _hasFeedForward) = (columns, hasFeedForward);

    /// <summary>Those of all layers.</summary>
    public static IReadOnlyList<ILayerGates> Of(BertConfig config, PrunedParts pruned)
    {
        var headDim = config.Hidden / config.Heads;
        return
        [
            .. Enumerable.Range(0, config.Layers).Select(layer => new ClosedGates(
                [.. pruned.Heads[layer].Select(head => (head * headDim, headDim))],
                !pruned.FeedForward.Contains(layer)))
        ];
    }

    public Variable Heads(Tape tape, Variable context, IndexBuffer spans) =>
        _columns.Count == 0 ? context : tape.ClearColumns(context, _columns);

    public Variable FeedForward(Tape tape, Variable output, IndexBuffer spans)
    {
        if (_hasFeedForward)
            return output;
        var nothing = tape.NewVariable(output.Value.Rows, output.Value.Columns, needsGradient: false);
        tape.Backend.Fill(nothing.Value, 0f);
        return nothing;
    }
}
