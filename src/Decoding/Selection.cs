using System.Numerics;

namespace Serving.Decoding;

/// <summary>Finds where an order is cut, by partitions (Hoare 1961) of only the part in which the cut lies.</summary>
internal static class Selection
{
    private const int FewEnoughToSort = 32;

    /// <summary>The first index of an order where the sum of masses reaches a target; the last if none does.</summary>
    /// <param name="keys">The order: larger ones first, of equal ones lower indices. At least one.</param>
    /// <param name="masses">For each key; empty if each has 1.</param>
    /// <param name="order">Room for as many indices as keys.</param>
    public static int Cut<TKey>(ReadOnlySpan<TKey> keys, ReadOnlySpan<double> masses, double target, Span<int> order)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        var part = order[..keys.Length];
        for (var i = 0; i < part.Length; i++)
            part[i] = i;
        var before = 0.0; // The mass of all that lie before the part.
        while (part.Length > FewEnoughToSort)
        {
            var split = Partition(keys, part);
            var mass = masses.IsEmpty ? split : Sum(masses, part[..split]);
            if (before + mass >= target)
            {
                part = part[..split];
                continue;
            }

            before += mass;
            part = part[split..];
        }

        Sort(keys, part);
        foreach (var i in part)
        {
            before += masses.IsEmpty ? 1 : masses[i];
            if (before >= target)
                return i;
        }

        return part[^1];
    }

    /// <summary>Whether a comes before b.</summary>
    private static bool Precedes<TKey>(ReadOnlySpan<TKey> keys, int a, int b)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        var (keyOfA, keyOfB) = (keys[a], keys[b]);
        return keyOfA > keyOfB || (keyOfA == keyOfB && a < b);
    }

    /// <summary>Moves those before a pivot to the front.</summary>
    /// <returns>How many there are: at least 1, and fewer than all.</returns>
    private static int Partition<TKey>(ReadOnlySpan<TKey> keys, Span<int> part)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        // The median of three goes to the end, where it bounds the search from the left.
        var middle = part.Length / 2;
        Order(keys, part, 0, middle);
        Order(keys, part, middle, part.Length - 1);
        Order(keys, part, 0, middle);
        var pivot = part[middle];
        var left = 0;
        var right = part.Length - 1;
        while (true)
        {
            while (Precedes(keys, part[left], pivot))
                left++;
            while (Precedes(keys, pivot, part[right]))
                right--;
            if (left >= right)
                return Math.Max(left, 1);
            (part[left], part[right]) = (part[right], part[left]);
            left++;
            right--;
        }
    }

    private static void Order<TKey>(ReadOnlySpan<TKey> keys, Span<int> part, int a, int b)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        if (Precedes(keys, part[b], part[a]))
            (part[a], part[b]) = (part[b], part[a]);
    }

    private static void Sort<TKey>(ReadOnlySpan<TKey> keys, Span<int> part)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        for (var i = 1; i < part.Length; i++)
        {
            for (var at = i; at > 0 && Precedes(keys, part[at], part[at - 1]); at--)
                (part[at], part[at - 1]) = (part[at - 1], part[at]);
        }
    }

    private static double Sum(ReadOnlySpan<double> masses, ReadOnlySpan<int> part)
    {
        var sum = 0.0;
        foreach (var i in part)
            sum += masses[i];
        return sum;
    }
}
