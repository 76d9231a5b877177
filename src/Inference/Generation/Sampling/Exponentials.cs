using System.Numerics;
using System.Runtime.InteropServices;

namespace Serving.Inference.Generation.Sampling;

/// <summary>Loops over logits.</summary>
internal static class Exponentials
{
    /// <summary>weights = exp((logits - largest) / temperature), in double.</summary>
    public static void Fill(ReadOnlySpan<float> logits, float largest, double temperature, Span<double> weights)
    {
        var subtracted = new Vector<double>(largest);
        var divisor = new Vector<double>(temperature);
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        var halves = MemoryMarshal.Cast<double, Vector<double>>(weights);
        for (var at = 0; at < vectors.Length; at++)
        {
            Vector.Widen(vectors[at], out var low, out var high);
            halves[2 * at] = Vector.Exp((low - subtracted) / divisor);
            halves[(2 * at) + 1] = Vector.Exp((high - subtracted) / divisor);
        }

        // As above, whose last bit Math.Exp has otherwise: equal logits have equal weights, wherever they are.
        for (var i = vectors.Length * Vector<float>.Count; i < logits.Length; i++)
            weights[i] = Vector.Exp((new Vector<double>(logits[i]) - subtracted) / divisor)[0];
    }

    /// <summary>The largest logit, and its token: of several the one with the lowest id.</summary>
    /// <param name="logits">[vocab]</param>
    /// <exception cref="LogitsException">A logit is NaN or +infinity, or all are -infinity.</exception>
    public static int Largest(ReadOnlySpan<float> logits)
    {
        var (largest, isNumber) = Scan(logits);
        if (!isNumber || float.IsPositiveInfinity(largest))
            throw NoNumber(logits);
        if (float.IsNegativeInfinity(largest))
        {
            throw new LogitsException(
                $"All {logits.Length} logits are -infinity; at least one token must be left. Ban fewer tokens.");
        }

        return logits.IndexOf(largest);
    }

    /// <summary>The largest of those that are numbers, and whether all are; two vectors at a time.</summary>
    private static (float Largest, bool AreNumbers) Scan(ReadOnlySpan<float> logits)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        var (most, mostOfOdd) = (new Vector<float>(float.NegativeInfinity), new Vector<float>(float.NegativeInfinity));
        var areNumbers = Vector<int>.AllBitsSet;
        var at = 0;
        for (; at < vectors.Length - 1; at += 2)
        {
            var (even, odd) = (vectors[at], vectors[at + 1]);
            areNumbers &= Vector.Equals(even, even) & Vector.Equals(odd, odd);
            most = Vector.MaxNative(even, most);
            mostOfOdd = Vector.MaxNative(odd, mostOfOdd);
        }

        Span<float> lanes = stackalloc float[Vector<float>.Count];
        Vector.MaxNative(most, mostOfOdd).CopyTo(lanes);
        var largest = float.NegativeInfinity;
        foreach (var lane in lanes)
            largest = lane > largest ? lane : largest;
        var isNumber = areNumbers == Vector<int>.AllBitsSet;
        foreach (var logit in logits[(at * Vector<float>.Count)..])
        {
            isNumber &= !float.IsNaN(logit);
            largest = logit > largest ? logit : largest;
        }

        return (largest, isNumber);
    }

    private static LogitsException NoNumber(ReadOnlySpan<float> logits)
    {
        var (first, count) = (-1, 0);
        for (var i = 0; i < logits.Length; i++)
        {
            if (!float.IsNaN(logits[i]) && !float.IsPositiveInfinity(logits[i]))
                continue;
            first = count++ == 0 ? i : first;
        }

        return new(
            $"{count} of {logits.Length} logits are NaN or +infinity, the first that of token {first}; finite ones are "
            + "needed. The model's weights are damaged, or its training went wrong.");
    }
}
