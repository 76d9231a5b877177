using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>AVX-512: 28 sums of a tile and two weights fill 30 of 32 registers.</summary>
internal unsafe struct Simd512 : ISimd<Vector512<float>>
{
    public static int Count => 16;

    public static int MaxRows => 14;

    public static string Name => "avx512";

    public static string Needs => "AVX-512 F, BW, DQ and VL";

    // Not Vector512.IsHardwareAccelerated: where the processor slows down under 512 bits a little (Skylake-X, Cascade
    // Lake), the runtime says no, although it compiles the same code and that is twice as fast as AVX2.
    public static bool IsSupported => Avx512F.IsSupported && Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported;

    // How far each lane's bit is from the highest.
    private static Vector512<uint> FirstShifts =>
        Vector512.Create(31u, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16);

    private static Vector512<uint> SecondShifts =>
        Vector512.Create(15u, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector512<float> value) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Create(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> a, Vector512<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Max(Vector512<float> a, Vector512<float> b) => Vector512.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Min(Vector512<float> a, Vector512<float> b) => Vector512.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> a) => Vector512.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ScaleByPowerOfTwo(Vector512<float> a, Vector512<float> exponent) =>
        a * Vector512.ShiftLeft(Vector512.ConvertToInt32(exponent) + Vector512.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SquareRoot(Vector512<float> a) => Vector512.Sqrt(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> KeepAbove(
        Vector512<float> score, Vector512<float> threshold, Vector512<float> value) =>
        Vector512.GreaterThan(score, threshold) & value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> a) => Simd256.Sum(a.GetLower() + a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Vector512<float> a)
    {
        var half = Vector256.MaxNative(a.GetLower(), a.GetUpper());
        return Simd256.MaxElement(half);
    }

    // The panel is as wide as two vectors, so the column is always 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        float* source, uint* bits, int column, out Vector512<float> first, out Vector512<float> second)
    {
        var word = Vector512.Create(*bits);
        first = Keep(Vector512.Load(source), word, FirstShifts);
        second = Keep(Vector512.Load(source + 16), word, SecondShifts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        ushort* source, uint* bits, int column, out Vector512<float> first, out Vector512<float> second)
    {
        var word = Vector512.Create(*bits);
        first = Keep(Widen(source), word, FirstShifts);
        second = Keep(Widen(source + 16), word, SecondShifts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(ushort* source, out Vector512<float> first, out Vector512<float> second)
    {
        first = Widen(source);
        second = Widen(source + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(sbyte* source, out Vector512<float> first, out Vector512<float> second)
    {
        first = Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source)));
        second = Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(source + 16)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Keep(uint* bits, int column, ref Vector512<float> first, ref Vector512<float> second)
    {
        var word = Vector512.Create(*bits);
        first = Keep(first, word, FirstShifts);
        second = Keep(second, word, SecondShifts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(ushort* source) =>
        (Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe()) << 16).AsSingle();

    /// <summary>Clears lanes whose bit is 0: moves each lane's bit to the sign, then spreads the sign.</summary>
    /// <remarks>
    /// Shifts and an "and" run in parallel with the multiply-adds. Mask registers do not: on Zen 5 comparisons into
    /// them take turns with the multiply-adds (7% of a product), and masked loads wait for the second-level cache.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Keep(Vector512<float> value, Vector512<uint> word, Vector512<uint> shifts)
    {
        var sign = Avx512F.ShiftLeftLogicalVariable(word, shifts).AsInt32();
        return (Vector512.ShiftRightArithmetic(sign, 31) & value.AsInt32()).AsSingle();
    }
}
