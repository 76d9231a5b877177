using Serving.Models;
using Serving.Tensors;
using Serving.Testing;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

public sealed class WeightSelectionTests
{
    /// <summary>As a stable sort by magnitude has it, round by round, over two matrices of odd sizes.</summary>
    [Fact]
    public void Prune_TakesTheSmallest_OfEqualOnesTheFirst()
    {
        // Few values, so that many are equal; with both zeros, both signs, and the smallest numbers there are.
        float[] few = [0f, -0f, 1f, -1f, 0.5f, -0.5f, float.Epsilon, -float.Epsilon, 3e38f, 0.25f, 1.0000001f];
        var values = Enumerable.Range(0, (7 * 5) + (3 * 3))
            .Select(i => few[(int)(CounterRandom.Bits(5, (ulong)i) % (ulong)few.Length)]).ToArray();
        var matrices = new Matrices(values, ("a", 7, 5), ("b", 3, 3));
        List<int> order = [.. Enumerable.Range(0, values.Length).OrderBy(i => Math.Abs(values[i])).ThenBy(i => i)];

        var masks = WeightMasks.AllKept(matrices.Tensors);
        var gone = 0;
        foreach (var count in (int[])[0, 1, 6, 13, 0, 20, 4])
        {
            var before = matrices.Kept(masks);
            masks = WeightSelection.Prune(masks, count, WeightOrders.SmallestFirst(matrices));
            gone += count;
            Assert.Equal(order.Skip(gone).Order(), matrices.Kept(masks));
            Assert.Equal((values.Length - gone, values.Length), (masks.Kept, masks.Total));
            Assert.Subset(before.ToHashSet(), matrices.Kept(masks).ToHashSet());
        }

        Assert.Equal(0, masks.Kept);
    }

    [Fact]
    public void Prune_EqualWeights_TakesThemByNumber()
    {
        var matrices = new Matrices([.. Enumerable.Repeat(-0.5f, 12)], ("a", 2, 3), ("b", 3, 2));
        var all = WeightMasks.AllKept(matrices.Tensors);
        Assert.Equal(
            [8, 9, 10, 11], matrices.Kept(WeightSelection.Prune(all, 8, WeightOrders.SmallestFirst(matrices))));
        Assert.Equal(
            [8, 9, 10, 11], matrices.Kept(WeightSelection.Prune(all, 8, WeightOrders.LargestFirst(matrices))));
    }

    [Fact]
    public void Prune_LargestFirst_LeavesTheSmallest()
    {
        var matrices = new Matrices([3f, -1f, 2f, -4f, 0f, 0.5f], ("a", 2, 3));
        var masks = WeightSelection.Prune(
            WeightMasks.AllKept(matrices.Tensors), 3, WeightOrders.LargestFirst(matrices));
        Assert.Equal([1, 4, 5], matrices.Kept(masks));
    }

    [Fact]
    public void Prune_MoreThanIsKept_IsRefused()
    {
        var matrices = new Matrices([1f, 2f], ("a", 1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightSelection.Prune(
            WeightMasks.AllKept(matrices.Tensors), 3, WeightOrders.SmallestFirst(matrices)));
    }

    /// <summary>
    /// Exactly as many as asked for, without replacement; of each matrix about its share, at a risk of 1e-4.
    /// </summary>
    [Fact]
    public void Prune_AtRandom_IsExact_AndTakesFromEachMatrixItsShare()
    {
        (string Name, int Rows, int Columns)[] tensors =
            [("a", 100, 50), ("b", 100, 100), ("c", 50, 50), ("d", 75, 100)];
        const int total = 25_000;
        var chi = 0.0;
        var masks = WeightSelection.Prune(WeightMasks.AllKept(tensors), 17_500, WeightOrders.Random(seed: 3));
        Assert.Equal(7_500, masks.Kept);
        foreach (var tensor in tensors)
        {
            // Hypergeometric: mean n K / N, variance n K/N (1 - K/N) (N - n)/(N - 1); the sum of squares below is
            // about chi-square with one degree less than matrices.
            double expected = tensor.Rows * tensor.Columns * 0.3;
            var kept = masks.KeptOf(tensor) * tensor.Rows * tensor.Columns;
            chi += Math.Pow(kept - expected, 2) / (expected * 0.7) * (total - 1) / total;
        }

        Assert.InRange(chi, 0, 21.108); // Chi-square, 3 degrees of freedom, at 1e-4.
        var same = WeightSelection.Prune(WeightMasks.AllKept(tensors), 17_500, WeightOrders.Random(seed: 3));
        Assert.Equal(0, MaskAgreement.Dissimilarity(masks, same));
        var other = WeightSelection.Prune(WeightMasks.AllKept(tensors), 17_500, WeightOrders.Random(seed: 4));
        Assert.InRange(MaskAgreement.Dissimilarity(masks, other), 0.65, 0.75);
    }

    [Fact]
    public void Masks_AreReadAsTheyWereWritten()
    {
        using var folder = new TemporaryFolder();
        (string Name, int Rows, int Columns)[] tensors = [("a", 3, 3), ("b", 2, 5)];
        var masks = WeightSelection.Prune(WeightMasks.AllKept(tensors), 7, WeightOrders.Random(seed: 1));
        masks.Write(folder.At("masks.safetensors"));
        var again = WeightMasks.Read(folder.At("masks.safetensors"), tensors);
        Assert.Equal((12, 0.0), (again.Kept, MaskAgreement.Dissimilarity(masks, again)));
        Assert.Throws<ModelFileException>(
            () => WeightMasks.Read(folder.At("masks.safetensors"), [("a", 5, 4)]));
    }
}
