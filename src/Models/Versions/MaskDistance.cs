using Serving.Models.Bert;

namespace Serving.Models.Versions;

/// <summary>How far the masks of two tasks over one backbone lie apart: Σ |a - b| / Σ (|a| + |b|).</summary>
/// <remarks>
/// Zhao et al. 2020, fig. 5, over all tensors of the backbone that at least one of the two masks; all weights
/// count alike. A task that does not mask a tensor keeps all of it. Heads are no part of the backbone.
/// </remarks>
/// <param name="Total">0 for the same masks to 1 for disjoint ones; 0 if neither masks anything.</param>
/// <param name="ByTensor">The same of each tensor that one of the two masks, by its name.</param>
public sealed record MaskDistance(double Total, IReadOnlyDictionary<string, double> ByTensor)
{
    public static MaskDistance Between(VersionFiles a, VersionFiles b)
    {
        var byTensor = new Dictionary<string, double>(StringComparer.Ordinal);
        var (different, kept) = (0L, 0L);
        var tensors = a.Masks.Concat(b.Masks).Where(mask => mask.Name != BertTensors.ClassifierWeight)
            .DistinctBy(mask => mask.Name, StringComparer.Ordinal);
        foreach (var (name, rows, columns) in tensors)
        {
            var counts = BitMask.Compare(Bits(a, name, rows, columns), Bits(b, name, rows, columns));
            byTensor.Add(name, BitMask.Ratio(counts.Different, counts.Kept));
            different += counts.Different;
            kept += counts.Kept;
        }

        return new(BitMask.Ratio(different, kept), byTensor);
    }

    /// <summary>The bits of a tensor: all of them if the task does not mask it.</summary>
    public static ReadOnlySpan<byte> Bits(VersionFiles pack, string name, int rows, int columns) =>
        pack.HasMask(name) ? pack.ReadMask(name) : BitMask.AllKept(rows, columns);
}
