using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>What a task leaves of a layer.</summary>
/// <param name="Stacks">A mask for each of its stacks; null where the stack has none.</param>
/// <param name="PrunedHeads">The columns of attention's output that belong to heads which are left out.</param>
/// <param name="Features">
/// For each stack the output features that are computed; null for all of them. Those of heads which are left out are
/// not, unless the stack has a mask.
/// </param>
internal sealed record BertLayerMasks(
    IReadOnlyList<PackedMask?> Stacks, ColumnRange[] PrunedHeads, bool HasFeedForward,
    IReadOnlyList<ColumnRange[]?> Features)
{
    public bool IsEmpty => HasFeedForward && PrunedHeads.Length == 0 && Stacks.All(mask => mask is null);
}
