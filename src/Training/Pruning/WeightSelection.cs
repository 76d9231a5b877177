using Serving.Models;

namespace Serving.Training.Pruning;

/// <summary>Prunes an exact number of weights, ranked over all matrices together.</summary>
/// <remarks>
/// Weights are ordered by their key and, where keys are equal, by their number: first the matrix, then row and column.
/// Two histograms, of the upper and of the lower half of the keys, find where the order is cut, so that it takes time
/// in proportion to the weights and memory for one matrix.
/// </remarks>
public static class WeightSelection
{
    private const int LowerBits = 15;
    private const int Lower = 1 << LowerBits;

    /// <summary>Drops those of the kept weights that come first.</summary>
    /// <param name="count">How many, 0 to all that are kept.</param>
    public static WeightMasks Prune(WeightMasks masks, long count, WeightOrder order)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, masks.Kept);
        if (count == 0)
            return masks;
        var upper = Histogram(masks, order, (WeightOrders.Most >> LowerBits) + 1, key => (int)(key >> LowerBits));
        var bucket = Cut(upper, ref count);
        var lower = Histogram(
            masks, order, Lower, key => key >> LowerBits == (uint)bucket ? (int)(key % Lower) : -1);
        var cut = ((uint)bucket << LowerBits) + (uint)Cut(lower, ref count);
        // Now `count` is how many of those with the key `cut` go, too.
        return WeightMasks.Of(masks.Tensors, tensor =>
        {
            var bits = masks.ReadMask(tensor.Name).ToArray();
            foreach (var (index, key) in Kept(masks, order, tensor))
            {
                if (key < cut || (key == cut && count-- > 0))
                    bits[index / 8] &= (byte)~(1 << (index % 8));
            }

            return bits;
        });
    }

    /// <summary>Finds the entry in which a count ends.</summary>
    /// <param name="count">1 or more; becomes how many of that entry belong to it.</param>
    private static int Cut(long[] histogram, ref long count)
    {
        var entry = 0;
        while (count > histogram[entry])
            count -= histogram[entry++];
        return entry;
    }

    private static long[] Histogram(WeightMasks masks, WeightOrder order, uint size, Func<uint, int> entryOf)
    {
        var histogram = new long[size];
        foreach (var tensor in masks.Tensors)
        {
            foreach (var (_, key) in Kept(masks, order, tensor))
            {
                if (entryOf(key) is var entry and >= 0)
                    histogram[entry]++;
            }
        }

        return histogram;
    }

    /// <returns>Index and key of the weights of a matrix that are kept, in their order.</returns>
    private static IEnumerable<(int Index, uint Key)> Kept(
        WeightMasks masks, WeightOrder order, (string Name, int Rows, int Columns) tensor)
    {
        var keys = new uint[checked(tensor.Rows * tensor.Columns)];
        order(tensor.Name, tensor.Rows, tensor.Columns, keys);
        var bits = masks.Bits(tensor.Name);
        for (var i = 0; i < keys.Length; i++)
        {
            if (BitMask.Keeps(bits.Span, i))
                yield return (i, keys[i]);
        }
    }
}
