using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Independent multiply-adds on registers: measures the peak that matrix products are compared with.</summary>
internal static class PeakKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private static float _sink;

    /// <summary>Runs 12 chains, enough to hide the latency of two units.</summary>
    /// <returns>Floating-point operations done: two for each multiply-add.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static long Run(int repeats)
    {
        var factor = TSimd.Create(0.999f);
        var term = TSimd.Create(0.001f);
        TVec c0 = term, c1 = term, c2 = term, c3 = term, c4 = term, c5 = term;
        TVec c6 = term, c7 = term, c8 = term, c9 = term, c10 = term, c11 = term;
        for (var i = 0; i < repeats; i++)
        {
            c0 = TSimd.MultiplyAdd(c0, factor, term);
            c1 = TSimd.MultiplyAdd(c1, factor, term);
            c2 = TSimd.MultiplyAdd(c2, factor, term);
            c3 = TSimd.MultiplyAdd(c3, factor, term);
            c4 = TSimd.MultiplyAdd(c4, factor, term);
            c5 = TSimd.MultiplyAdd(c5, factor, term);
            c6 = TSimd.MultiplyAdd(c6, factor, term);
            c7 = TSimd.MultiplyAdd(c7, factor, term);
            c8 = TSimd.MultiplyAdd(c8, factor, term);
            c9 = TSimd.MultiplyAdd(c9, factor, term);
            c10 = TSimd.MultiplyAdd(c10, factor, term);
            c11 = TSimd.MultiplyAdd(c11, factor, term);
        }

        c0 = TSimd.Add(
            TSimd.Add(TSimd.Add(c0, c1), TSimd.Add(c2, c3)), TSimd.Add(TSimd.Add(c4, c5), TSimd.Add(c6, c7)));
        c8 = TSimd.Add(TSimd.Add(c8, c9), TSimd.Add(c10, c11));
        _sink = TSimd.Sum(TSimd.Add(c0, c8)); // Keeps the loop from being optimized away.
        return 2L * 12 * TSimd.Count * repeats;
    }
}
