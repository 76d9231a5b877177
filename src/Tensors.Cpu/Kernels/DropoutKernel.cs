using System.Runtime.Intrinsics;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Dropout of one row: which elements go depends on the key, the row's number and the column alone.</summary>
internal static unsafe class DropoutKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private const int Group = 16; // Elements whose random numbers are made together, 16 bits each.
    private const int BitsPerGroup = 4;

    /// <summary>y = residual + dropout(x). y may be x or the residual; the residual may be null.</summary>
    public static void Run(float* x, int row, int columns, Dropout dropout, float* residual, float* y)
    {
        var factors = stackalloc float[Group];
        var groups = (columns + Group - 1) / Group;
        var counter = (ulong)row * (ulong)groups * BitsPerGroup;
        for (var column = 0; column < columns; column += Group, counter += BitsPerGroup)
        {
            Factors(dropout, counter, factors);
            if (columns - column >= Group)
            {
                for (var i = 0; i < Group; i += TSimd.Count)
                {
                    var at = column + i;
                    var kept = TSimd.Multiply(TSimd.Load(x + at), TSimd.Load(factors + i));
                    TSimd.Store(y + at, residual == null ? kept : TSimd.Add(TSimd.Load(residual + at), kept));
                }
            }
            else
            {
                for (var at = column; at < columns; at++)
                {
                    var kept = x[at] * factors[at - column];
                    y[at] = residual == null ? kept : residual[at] + kept;
                }
            }
        }
    }

    /// <summary>What sixteen elements are multiplied by: 0 or the scale.</summary>
    private static void Factors(Dropout dropout, ulong counter, float* factors)
    {
        var bits = Vector256.Create(
            CounterRandom.Bits(dropout.Key, counter),
            CounterRandom.Bits(dropout.Key, counter + 1),
            CounterRandom.Bits(dropout.Key, counter + 2),
            CounterRandom.Bits(dropout.Key, counter + 3)).AsUInt16();
        var kept = Vector256.GreaterThanOrEqual(bits, Vector256.Create((ushort)dropout.Threshold)).AsInt16();
        var scale = Vector256.Create(dropout.Scale).AsInt32();
        (Vector256.WidenLower(kept) & scale).AsSingle().Store(factors);
        (Vector256.WidenUpper(kept) & scale).AsSingle().Store(factors + 8);
    }
}
