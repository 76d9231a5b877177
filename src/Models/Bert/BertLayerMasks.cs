using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>What a task leaves of a layer.</summary>
/// <param name="Stacks">A mask for each of its stacks; null where the stack has none.</param>
/// <param name="PrunedHeads">The columns of attention's output that belong to heads which are left out.</param>
internal sealed record BertLayerMasks(
    IReadOnlyList<PackedMask?> Stacks, HeadRange[] PrunedHeads, bool HasFeedForward)
{
    public bool IsEmpty => HasFeedForward && PrunedHeads.Length == 0 && Stacks.All(mask => mask is null);
}

/// <summary>Columns of neighbouring heads.</summary>
internal readonly record struct HeadRange(int FirstColumn, int Columns)
{
    /// <param name="heads">Ascending.</param>
    public static HeadRange[] Of(IReadOnlyList<int> heads, int headDim)
    {
        var ranges = new List<HeadRange>();
        foreach (var head in heads)
        {
            var first = head * headDim;
            if (ranges.Count > 0 && ranges[^1].FirstColumn + ranges[^1].Columns == first)
                ranges[^1] = ranges[^1] with { Columns = ranges[^1].Columns + headDim };
            else
                ranges.Add(new(first, headDim));
        }

        return [.. ranges];
    }
}
