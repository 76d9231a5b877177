using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>The width that every 64-bit processor has: SSE, or NEON.</summary>
internal unsafe struct Simd128 : ISimd<Vector128<float>>
{
    public static int Count => 4;

    public static int MaxRows => 6;

    public static string Name => "vector128";

    public static string Needs => "vectors of 128 bits";

    public static bool IsSupported => Vector128.IsHardwareAccelerated;

    private static Vector128<uint> LowLanes => Vector128.Create(1u, 2, 4, 8);

    private static Vector128<uint> HighLanes => Vector128.Create(16u, 32, 64, 128);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector128<float> value) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Create(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> a, Vector128<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) =>
        Fma.IsSupported || AdvSimd.IsSupported ? Vector128.FusedMultiplyAdd(a, b, c) : (a * b) + c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> a, Vector128<float> b) => Vector128.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Min(Vector128<float> a, Vector128<float> b) => Vector128.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Round(Vector128<float> a) => Vector128.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ScaleByPowerOfTwo(Vector128<float> a, Vector128<float> exponent) =>
        a * Vector128.ShiftLeft(Vector128.ConvertToInt32(exponent) + Vector128.Create(127), 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SquareRoot(Vector128<float> a) => Vector128.Sqrt(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> KeepAbove(
        Vector128<float> score, Vector128<float> threshold, Vector128<float> value) =>
        Vector128.GreaterThan(score, threshold) & value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> a) => Vector128.Sum(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(Vector128<float> a)
    {
        var pairs = Vector128.MaxNative(a, Vector128.Shuffle(a, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(pairs[0], pairs[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        float* source, uint* bits, int column, out Vector128<float> first, out Vector128<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        first = Vector128.ConditionalSelect(keepFirst, Vector128.Load(source), Vector128<float>.Zero);
        second = Vector128.ConditionalSelect(keepSecond, Vector128.Load(source + 4), Vector128<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadMasked(
        ushort* source, uint* bits, int column, out Vector128<float> first, out Vector128<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        LoadWidened(source, out first, out second);
        first = Vector128.ConditionalSelect(keepFirst, first, Vector128<float>.Zero);
        second = Vector128.ConditionalSelect(keepSecond, second, Vector128<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(ushort* source, out Vector128<float> first, out Vector128<float> second)
    {
        var values = Vector128.Load(source);
        first = Vector128.ShiftLeft(Vector128.WidenLower(values), 16).AsSingle();
        second = Vector128.ShiftLeft(Vector128.WidenUpper(values), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadWidened(sbyte* source, out Vector128<float> first, out Vector128<float> second)
    {
        var values = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)source).AsSByte());
        first = Vector128.ConvertToSingle(Vector128.WidenLower(values));
        second = Vector128.ConvertToSingle(Vector128.WidenUpper(values));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Keep(uint* bits, int column, ref Vector128<float> first, ref Vector128<float> second)
    {
        KeptLanes(bits, column, out var keepFirst, out var keepSecond);
        first = Vector128.ConditionalSelect(keepFirst, first, Vector128<float>.Zero);
        second = Vector128.ConditionalSelect(keepSecond, second, Vector128<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void KeptLanes(uint* bits, int column, out Vector128<float> first, out Vector128<float> second)
    {
        var byteBits = Vector128.Create((uint)((byte*)bits)[column / 8]);
        first = Vector128.Equals(byteBits & LowLanes, LowLanes).AsSingle();
        second = Vector128.Equals(byteBits & HighLanes, HighLanes).AsSingle();
    }
}
