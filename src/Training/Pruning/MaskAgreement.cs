using Serving.Models;

namespace Serving.Training.Pruning;

/// <summary>How far masks over the same matrices agree.</summary>
public static class MaskAgreement
{
    /// <summary>Fleiss' kappa of masks as raters and weights as what they rate: kept or not (Fleiss 1971).</summary>
    /// <returns>1 for equal masks, about 0 for independent ones; at least -1.</returns>
    /// <param name="masks">2 or more, over the same matrices.</param>
    public static double Kappa(IReadOnlyList<WeightMasks> masks)
    {
        var raters = masks.Count;
        var agreeing = 0.0; // Pairs of raters that agree, of all weights.
        foreach (var (name, rows, columns) in masks[0].Tensors)
        {
            for (var a = 0; a < raters; a++)
            {
                for (var b = a + 1; b < raters; b++)
                {
                    agreeing += ((double)rows * columns)
                        - BitMask.Different(masks[a].ReadMask(name), masks[b].ReadMask(name));
                }
            }
        }

        var kept = masks.Sum(mask => (double)mask.Kept) / ((double)raters * masks[0].Total);
        return Kappa(agreeing / (raters * (raters - 1) / 2.0 * masks[0].Total), kept);
    }

    /// <summary>The same of units that are kept or not.</summary>
    /// <param name="kept">[raters][units], 2 raters or more.</param>
    public static double Kappa(IReadOnlyList<IReadOnlyList<bool>> kept)
    {
        var (raters, units) = (kept.Count, kept[0].Count);
        var agreeing = 0.0;
        for (var a = 0; a < raters; a++)
        {
            for (var b = a + 1; b < raters; b++)
                agreeing += Enumerable.Range(0, units).Count(i => kept[a][i] == kept[b][i]);
        }

        var share = kept.Sum(each => each.Count(isKept => isKept)) / ((double)raters * units);
        return Kappa(agreeing / (raters * (raters - 1) / 2.0 * units), share);
    }

    /// <summary>|a - b|₁ / (|a|₁ + |b|₁) over all matrices, see <see cref="BitMask.Dissimilarity"/>.</summary>
    public static double Dissimilarity(WeightMasks a, WeightMasks b)
    {
        var different = a.Tensors.Sum(tensor => BitMask.Different(a.ReadMask(tensor.Name), b.ReadMask(tensor.Name)));
        return a.Kept + b.Kept == 0 ? 0 : (double)different / (a.Kept + b.Kept);
    }

    /// <param name="observed">The part of pairs that agree.</param>
    /// <param name="kept">The part that is kept, over all raters.</param>
    private static double Kappa(double observed, double kept)
    {
        var expected = (kept * kept) + ((1 - kept) * (1 - kept));
        return expected >= 1 ? 1 : (observed - expected) / (1 - expected);
    }
}
