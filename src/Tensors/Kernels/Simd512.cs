using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Serving.Tensors.Kernels;

/// <summary>AVX-512: 28 sums of a tile and two weights fill 30 of 32 registers.</summary>
internal unsafe struct Simd512 : ISimd<Vector512<float>>
{
    public static int Count => 16;

    public static int MaxRows => 14;

    public static string Name => "avx512";

    private static Vector512<uint> Lanes =>
        Vector512.Create(1u, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768);

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
    public static float Sum(Vector512<float> a) => Simd256.Sum(a.GetLower() + a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Vector512<float> a)
    {
        var half = Vector256.MaxNative(a.GetLower(), a.GetUpper());
        return Simd256.MaxElement(half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        float* source, uint* bits, int column, out Vector512<float> first, out Vector512<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        first = Vector512.ConditionalSelect(keepFirst, Vector512.Load(source), Vector512<float>.Zero);
        second = Vector512.ConditionalSelect(keepSecond, Vector512.Load(source + 16), Vector512<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        ushort* source, uint* bits, int column, out Vector512<float> first, out Vector512<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        LoadWidened(source, out first, out second);
        first = Vector512.ConditionalSelect(keepFirst, first, Vector512<float>.Zero);
        second = Vector512.ConditionalSelect(keepSecond, second, Vector512<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(ushort* source, out Vector512<float> first, out Vector512<float> second)
    {
        var values = Vector512.Load(source);
        first = Vector512.ShiftLeft(Vector512.WidenLower(values), 16).AsSingle();
        second = Vector512.ShiftLeft(Vector512.WidenUpper(values), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void KeptLanes(uint* bits, int column, out Vector512<float> first, out Vector512<float> second)
    {
        // One test of a mask register each: the panel is as wide as two vectors, so column is 0.
        _ = column;
        var firstBits = Vector512.Create(((ushort*)bits)[0]).AsUInt32();
        var secondBits = Vector512.Create(((ushort*)bits)[1]).AsUInt32();
        first = Vector512.Equals(firstBits & Lanes, Lanes).AsSingle();
        second = Vector512.Equals(secondBits & Lanes, Lanes).AsSingle();
    }
}
