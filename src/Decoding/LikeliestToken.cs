using System.Numerics;
using System.Runtime.InteropServices;

namespace Serving.Decoding;

/// <summary>The token with the largest logit.</summary>
public static class LikeliestToken
{
    /// <summary>Of several the one with the lowest id.</summary>
    /// <param name="logits">[vocab]</param>
    /// <exception cref="LogitsException">A logit is NaN or +infinity, or all are -infinity.</exception>
    public static int Of(ReadOnlySpan<float> logits)
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
