using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Serving.Tensors;

namespace Serving.Models;

/// <summary>A bit for each weight of a matrix, as in files: row-major, lowest bit first, spare bits 0.</summary>
public static class BitMask
{
    /// <summary>Bytes of a mask [rows, columns].</summary>
    public static long ByteCount(int rows, int columns) => PackedMask.ByteCount((long)rows * columns);

    /// <summary>Whether a weight is kept.</summary>
    /// <param name="index">Of the weight: row * columns + column.</param>
    public static bool Keeps(ReadOnlySpan<byte> bits, long index) =>
        (bits[(int)(index / 8)] >> (int)(index % 8) & 1) != 0;

    /// <summary>A mask [rows, columns] that keeps every weight.</summary>
    public static byte[] AllKept(int rows, int columns)
    {
        var bits = new byte[ByteCount(rows, columns)];
        bits.AsSpan().Fill(byte.MaxValue);
        var rest = (int)((long)rows * columns % 8);
        if (rest != 0)
            bits[^1] = (byte)((1 << rest) - 1);
        return bits;
    }

    /// <summary>How many weights are kept.</summary>
    public static long PopCount(ReadOnlySpan<byte> bits)
    {
        var count = 0L;
        var words = MemoryMarshal.Cast<byte, ulong>(bits);
        foreach (var word in words)
            count += BitOperations.PopCount(word);
        foreach (var value in bits[(words.Length * sizeof(ulong))..])
            count += BitOperations.PopCount(value);
        return count;
    }

    /// <summary>SHA-256 of the bits, in lower-case hexadecimal.</summary>
    public static string Digest(ReadOnlySpan<byte> bits) => Convert.ToHexStringLower(SHA256.HashData(bits));

    /// <summary>Whether the bits behind the last weight are 0.</summary>
    public static bool HasZeroPadding(ReadOnlySpan<byte> bits, long count) =>
        count % 8 == 0 || bits[^1] >> (int)(count % 8) == 0;

    /// <summary>How different two tasks' masks of the same matrix are: |a - b|₁ / (|a|₁ + |b|₁).</summary>
    /// <returns>0 for the same masks to 1 for disjoint ones; 0 when both are empty.</returns>
    /// <remarks>Zhao et al. 2020, fig. 5. Independent masks that keep a share q differ by 1 - q on average.</remarks>
    /// <exception cref="ArgumentException">The masks differ in length.</exception>
    public static double Dissimilarity(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var (different, kept) = Compare(a, b);
        return Ratio(different, kept);
    }

    /// <summary>At how many weights two masks of the same matrix differ.</summary>
    /// <exception cref="ArgumentException">The masks differ in length.</exception>
    public static long Different(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException(
                $"The masks have {a.Length} and {b.Length} bytes; masks of one matrix are needed.");
        }

        var different = 0L;
        var wordsOfA = MemoryMarshal.Cast<byte, ulong>(a);
        var wordsOfB = MemoryMarshal.Cast<byte, ulong>(b);
        for (var i = 0; i < wordsOfA.Length; i++)
            different += BitOperations.PopCount(wordsOfA[i] ^ wordsOfB[i]);
        for (var i = wordsOfA.Length * sizeof(ulong); i < a.Length; i++)
            different += BitOperations.PopCount((uint)(a[i] ^ b[i]));
        return different;
    }

    /// <summary>At how many weights they differ, and how many they keep, counted twice where both do.</summary>
    /// <exception cref="ArgumentException">The masks differ in length.</exception>
    internal static (long Different, long Kept) Compare(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) =>
        (Different(a, b), PopCount(a) + PopCount(b));

    internal static double Ratio(long different, long kept) => kept == 0 ? 0 : (double)different / kept;
}
