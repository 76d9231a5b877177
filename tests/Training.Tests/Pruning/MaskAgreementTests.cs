using Serving.Models;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

public sealed class MaskAgreementTests
{
    private static readonly (string Name, int Rows, int Columns)[] Tensors = [("a", 40, 50), ("b", 30, 33)];

    [Fact]
    public void Kappa_OfTheSameMasks_IsOne_AndOfIndependentOnes_IsAboutZero()
    {
        WeightMasks[] masks = [.. Enumerable.Range(0, 4).Select(seed => Random(0.7, (ulong)seed))];
        Assert.Equal(1, MaskAgreement.Kappa([masks[0], masks[0], masks[0]]), 12);
        // Standard deviation of 6 pairs over 2990 weights: about 1 / sqrt(6 * 2990) = 0.0075.
        Assert.InRange(MaskAgreement.Kappa(masks), -0.03, 0.03);
        Assert.Equal(1, MaskAgreement.Kappa([WeightMasks.AllKept(Tensors), WeightMasks.AllKept(Tensors)]));
    }

    /// <summary>
    /// By hand: masks 1100, 1010, 1100 of 4 weights agree at 4 + 0 + 2 * 2 = 8 of 12 pairs: weight 0 in 3 pairs,
    /// weights 1 and 2 in 1 each, weight 3 in 3. Half is kept, so 1/2 agree by chance: (8/12 - 1/2) / (1/2) = 1/3.
    /// </summary>
    [Fact]
    public void Kappa_ByHand_OfMasksAndOfUnits()
    {
        (string, int, int)[] four = [("a", 2, 2)];
        WeightMasks Mask(byte bits) => WeightMasks.Of(four, _ => [bits]);
        Assert.Equal(1 / 3.0, MaskAgreement.Kappa([Mask(0b0011), Mask(0b0101), Mask(0b0011)]), 12);
        bool[][] units = [[true, true, false, false], [true, false, true, false], [true, true, false, false]];
        Assert.Equal(1 / 3.0, MaskAgreement.Kappa(units), 12);
    }

    [Fact]
    public void Dissimilarity_IsThatOfBits()
    {
        var (a, b) = (Random(0.3, 1), Random(0.6, 2));
        byte[] All(WeightMasks masks) => [.. Tensors.SelectMany(tensor => masks.ReadMask(tensor.Name).ToArray())];
        Assert.Equal(BitMask.Dissimilarity(All(a), All(b)), MaskAgreement.Dissimilarity(a, b), 12);
    }

    private static WeightMasks Random(double sparsity, ulong seed) => WeightSelection.Prune(
        WeightMasks.AllKept(Tensors), (long)(sparsity * 2990), WeightOrders.Random(seed));
}
