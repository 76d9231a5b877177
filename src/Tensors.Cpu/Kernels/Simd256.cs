using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>AVX2: 12 sums of a tile, two weights and one input fill 15 of 16 registers.</summary>
internal unsafe struct Simd256 : ISimd<Vector256<float>>
{
    public static int Count => 8;

    public static int MaxRows => 6;

    public static string Name => "avx2";

    public static string Needs => "AVX2 and FMA";

    public static bool IsSupported => Avx2.IsSupported && Fma.IsSupported;

    private static Vector256<uint> Lanes => Vector256.Create(1u, 2, 4, 8, 16, 32, 64, 128);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector256<float> value) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Create(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> a, Vector256<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
        Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> a, Vector256<float> b) => Vector256.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Min(Vector256<float> a, Vector256<float> b) => Vector256.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Round(Vector256<float> a) => Vector256.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ScaleByPowerOfTwo(Vector256<float> a, Vector256<float> exponent) =>
        a * Vector256.ShiftLeft(Vector256.ConvertToInt32(exponent) + Vector256.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SquareRoot(Vector256<float> a) => Vector256.Sqrt(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> KeepAbove(
        Vector256<float> score, Vector256<float> threshold, Vector256<float> value) =>
        Vector256.GreaterThan(score, threshold) & value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> a) => Simd128.Sum(a.GetLower() + a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Vector256<float> a)
    {
        var half = Vector128.MaxNative(a.GetLower(), a.GetUpper());
        return Simd128.MaxElement(half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        float* source, uint* bits, int column, out Vector256<float> first, out Vector256<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        first = keepFirst & Vector256.Load(source);
        second = keepSecond & Vector256.Load(source + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        ushort* source, uint* bits, int column, out Vector256<float> first, out Vector256<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        LoadWidened(source, out first, out second);
        first &= keepFirst;
        second &= keepSecond;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(ushort* source, out Vector256<float> first, out Vector256<float> second)
    {
        var values = Vector256.Load(source);
        first = Vector256.ShiftLeft(Vector256.WidenLower(values), 16).AsSingle();
        second = Vector256.ShiftLeft(Vector256.WidenUpper(values), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(sbyte* source, out Vector256<float> first, out Vector256<float> second)
    {
        first = Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(source));
        second = Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(source + 8));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Keep(uint* bits, int column, ref Vector256<float> first, ref Vector256<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        first &= keepFirst;
        second &= keepSecond;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void KeptLanes(uint* bits, int column, out Vector256<float> first, out Vector256<float> second)
    {
        var word = Vector256.Create(*bits);
        var firstLanes = Vector256.ShiftLeft(Lanes, column);
        var secondLanes = Vector256.ShiftLeft(Lanes, column + 8);
        first = Vector256.Equals(word & firstLanes, firstLanes).AsSingle();
        second = Vector256.Equals(word & secondLanes, secondLanes).AsSingle();
    }
}
