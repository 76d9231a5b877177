using System.Runtime.Intrinsics;
using Serving.Tensors.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>The kernels of one vector width, chosen once.</summary>
internal abstract unsafe class CpuKernels
{
    public abstract string Name { get; }

    /// <summary>The widest that this processor runs well.</summary>
    public static CpuKernels Best { get; } = Supported()[0];

    /// <summary>All that this processor runs, widest first.</summary>
    public static IReadOnlyList<CpuKernels> Supported()
    {
        var supported = new List<CpuKernels>();
        if (Vector512.IsHardwareAccelerated)
            supported.Add(new CpuKernels<Simd512, Vector512<float>>());
        if (Vector256.IsHardwareAccelerated)
            supported.Add(new CpuKernels<Simd256, Vector256<float>>());
        if (Vector128.IsHardwareAccelerated)
            supported.Add(new CpuKernels<Simd128, Vector128<float>>());
        supported.Add(new CpuKernels<SimdScalar, float>());
        return supported;
    }

    public abstract void Linear(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel);

    public abstract void Attention(in AttentionArguments job, float* scratch);

    public abstract long AttentionScratchFloats(int keys, int headDim);

    public abstract void LayerNorm(float* x, float* gamma, float* beta, float epsilon, float* y, int columns);

    public abstract float Dot(float* a, float* b, int columns);

    public abstract void Sum(float* a, float* b, float* c, float* y, int columns);

    /// <summary>Runs multiply-adds on registers alone: what no matrix product can be faster than.</summary>
    public abstract long MultiplyAdds(int repeats);
}

internal sealed unsafe class CpuKernels<TSimd, TVec> : CpuKernels
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    public override string Name => TSimd.Name;

    public override void Linear(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel) =>
        LinearKernel<TSimd, TVec>.Run(job, firstRow, endRow, firstPanel, endPanel);

    public override void Attention(in AttentionArguments job, float* scratch) =>
        AttentionKernel<TSimd, TVec>.Run(job, scratch);

    public override long AttentionScratchFloats(int keys, int headDim) =>
        AttentionKernel<TSimd, TVec>.ScratchFloats(keys, headDim);

    public override void LayerNorm(float* x, float* gamma, float* beta, float epsilon, float* y, int columns) =>
        RowKernels<TSimd, TVec>.LayerNorm(x, gamma, beta, epsilon, y, columns);

    public override float Dot(float* a, float* b, int columns) => RowKernels<TSimd, TVec>.Dot(a, b, columns);

    public override void Sum(float* a, float* b, float* c, float* y, int columns) =>
        RowKernels<TSimd, TVec>.Sum(a, b, c, y, columns);

    public override long MultiplyAdds(int repeats) => PeakKernel<TSimd, TVec>.Run(repeats);
}
