using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>Where a task's masks come from.</summary>
public interface IMaskSource
{
    /// <summary>Whether a tensor, named as in <see cref="BertTensors"/>, has a mask.</summary>
    bool HasMask(string name);

    /// <summary>Its bits, see <see cref="BitMask"/>.</summary>
    ReadOnlySpan<byte> ReadMask(string name);
}

/// <summary>A task's masks, resident on a device, stacked as the encoder stacks its weights.</summary>
public sealed class BertMasks : IDisposable
{
    private readonly MaskSet? _set;

    private BertMasks(MaskSet? set, BertLayerMasks[] layers, PackedMask? pooler)
    {
        _set = set;
        Layers = layers;
        Pooler = pooler;
        FirstMaskedLayer = Array.FindIndex(layers, layer => !layer.IsEmpty);
        if (FirstMaskedLayer < 0)
            FirstMaskedLayer = layers.Length;
    }

    /// <summary>
    /// The first layer with a mask or without one of its parts, or the number of layers. Below it, tasks share all
    /// results.
    /// </summary>
    public int FirstMaskedLayer { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => _set?.Bytes ?? 0;

    internal IReadOnlyList<BertLayerMasks> Layers { get; }

    internal PackedMask? Pooler { get; }

    /// <summary>Copies masks onto the device; a stack of matrices is masked as soon as one of them is.</summary>
    /// <param name="source">Null for no masks.</param>
    /// <param name="pruned">What is left out of the backbone; null for nothing.</param>
    /// <exception cref="ShapeException">A mask has not as many bits as its matrix.</exception>
    public static BertMasks Load(
        TensorBackend backend, BertConfig config, IMaskSource? source, PrunedParts? pruned = null)
    {
        var plan = new Plan(source);
        var layers = Enumerable.Range(0, config.Layers)
            .Select(layer => BertStacks.OfLayer(config, layer)
                .Select(stack => plan.Add(
                    [.. stack.Select(
                        matrix => (BertTensors.Weight(layer, matrix), BertTensors.Shape(config, matrix)))]))
                .ToArray())
            .ToArray();
        var pooler =
            config.HasPooler ? plan.Add([(BertTensors.PoolerWeight, (config.Hidden, config.Hidden))]) : null;
        var set = plan.Shapes.Count == 0 ? null : backend.AllocateMasks(plan.Shapes.ToArray());
        try
        {
            foreach (var member in plan.Members)
            {
                // A matrix without a mask in a stack that has one keeps all its weights.
                var bits = source!.HasMask(member.Name)
                    ? source.ReadMask(member.Name)
                    : BitMask.AllKept(member.Rows, member.Columns);
                set!.Masks[member.Shape].Write(member.FirstRow, member.Rows, bits);
            }
        }
        catch
        {
            set?.Dispose();
            throw;
        }

        PackedMask? Mask(int? shape) => shape is { } index ? set!.Masks[index] : null;
        BertLayerMasks Layer(int layer)
        {
            PackedMask?[] masks = [.. layers[layer].Select(Mask)];
            return new(
                masks,
                pruned is null ? [] : ColumnRange.OfHeads(pruned.Heads[layer], config.Hidden / config.Heads),
                HasFeedForward: pruned is null || !pruned.FeedForward.Contains(layer),
                [.. BertStacks.OfLayer(config, layer).Select((stack, i) =>
                    pruned is null || pruned.Heads[layer].Count == 0 || masks[i] is not null
                        ? null
                        : Features(config, stack, pruned.Heads[layer], backend.SliceFeatures))]);
        }

        return new(set, [.. Enumerable.Range(0, config.Layers).Select(Layer)], Mask(pooler));
    }

    public void Dispose() => _set?.Dispose();

    /// <summary>The features of a stack that belong to heads which stay; null where it is not made of heads.</summary>
    private static ColumnRange[]? Features(
        BertConfig config, BertMatrix[] stack, IReadOnlyList<int> prunedHeads, int multiple)
    {
        if (stack[0] is not (BertMatrix.Query or BertMatrix.Key or BertMatrix.Value))
            return null;
        var heads = Enumerable.Range(0, stack.Length * config.Heads)
            .Where(head => !prunedHeads.Contains(head % config.Heads));
        return ColumnRange.From(ColumnRange.OfHeads(heads, config.Hidden / config.Heads), multiple);
    }

    /// <summary>Which packed masks there will be, and where in them the matrices go.</summary>
    private sealed class Plan(IMaskSource? source)
    {
        public List<(int OutFeatures, int InFeatures)> Shapes { get; } = [];

        public List<(int Shape, string Name, int FirstRow, int Rows, int Columns)> Members { get; } = [];

        /// <returns>The index of the stack's shape; null if none of its matrices has a mask.</returns>
        public int? Add(IReadOnlyList<(string Name, (int Rows, int Columns) Shape)> stack)
        {
            if (!stack.Any(member => source?.HasMask(member.Name) ?? false))
                return null;
            var firstRow = 0;
            foreach (var (name, (rows, columns)) in stack)
            {
                Members.Add((Shapes.Count, name, firstRow, rows, columns));
                firstRow += rows;
            }

            Shapes.Add((firstRow, stack[0].Shape.Columns));
            return Shapes.Count - 1;
        }
    }
}
