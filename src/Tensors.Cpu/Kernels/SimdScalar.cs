using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>One float at a time, where the runtime has no vectors.</summary>
internal unsafe struct SimdScalar : ISimd<float>
{
    public static int Count => 1;

    public static int MaxRows => 4;

    public static string Name => "scalar";

    public static string Needs => "numbers";

    public static bool IsSupported => true;

    public static float Load(float* source) => *source;

    public static void Store(float* destination, float value) => *destination = value;

    public static float Create(float value) => value;

    public static float Add(float a, float b) => a + b;

    public static float Subtract(float a, float b) => a - b;

    public static float Multiply(float a, float b) => a * b;

    public static float Divide(float a, float b) => a / b;

    public static float MultiplyAdd(float a, float b, float c) =>
        Fma.IsSupported ? MathF.FusedMultiplyAdd(a, b, c) : (a * b) + c;

    public static float Max(float a, float b) => a > b ? a : b;

    public static float Min(float a, float b) => a < b ? a : b;

    public static float Round(float a) => MathF.Round(a);

    public static float ScaleByPowerOfTwo(float a, float exponent) =>
        a * BitConverter.Int32BitsToSingle(((int)exponent + 127) << 23);

    public static float SquareRoot(float a) => MathF.Sqrt(a);

    public static float KeepAbove(float score, float threshold, float value) => score > threshold ? value : 0f;

    public static float Sum(float a) => a;

    public static float MaxElement(float a) => a;

    public static void LoadMasked(float* source, uint* bits, int column, out float first, out float second)
    {
        first = IsKept(*bits, column) ? source[0] : 0f;
        second = IsKept(*bits, column + 1) ? source[1] : 0f;
    }

    public static void LoadMasked(ushort* source, uint* bits, int column, out float first, out float second)
    {
        LoadWidened(source, out first, out second);
        first = IsKept(*bits, column) ? first : 0f;
        second = IsKept(*bits, column + 1) ? second : 0f;
    }

    public static void LoadWidened(ushort* source, out float first, out float second)
    {
        first = BFloat16.ToSingle(source[0]);
        second = BFloat16.ToSingle(source[1]);
    }

    public static void LoadWidened(sbyte* source, out float first, out float second)
    {
        first = source[0];
        second = source[1];
    }

    public static void Keep(uint* bits, int column, ref float first, ref float second)
    {
        first = IsKept(*bits, column) ? first : 0f;
        second = IsKept(*bits, column + 1) ? second : 0f;
    }

    private static bool IsKept(uint bits, int column) => ((bits >> column) & 1) != 0;
}
