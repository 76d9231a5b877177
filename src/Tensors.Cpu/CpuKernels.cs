using System.Runtime.Intrinsics;
using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>The kernels of one vector width, chosen once.</summary>
internal abstract unsafe class CpuKernels
{
    public abstract string Name { get; }

    /// <summary>The widest vectors that this processor runs well.</summary>
    public static CpuKernels Best { get; } = Supported()[0];

    /// <summary>All vector widths that this processor runs, widest first.</summary>
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

    public abstract void PackOperand(in OperandArguments operand, Slice part);

    public abstract void AttentionGradient(in AttentionGradientArguments job, float* scratch);

    public abstract long AttentionGradientScratchFloats(int queries, int keys, int headDim);

    public abstract void LayerNormGradient(
        float* x, float* gamma, float epsilon, float* y, float* gammaGradient, float* betaGradient, float* xGradient,
        int columns);

    public abstract void Apply(Elementwise function, float* a, float* b, float* y, int columns);

    public abstract void DropoutAdd(float* x, int row, int columns, Dropout dropout, float* residual, float* y);

    public abstract void AddTo(float* x, float* y, int columns);

    public abstract double SoftmaxCrossEntropy(float* logits, int label, float scale, float* gradient, int columns);

    public abstract void Adam(
        float* parameter, float* gradient, float* mean, float* variance, in AdamStep step, int columns);

    public abstract double SumOfSquares(float* x, int columns);

    /// <summary>Runs multiply-adds on registers alone: the upper bound of a matrix product's speed.</summary>
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

    public override void PackOperand(in OperandArguments operand, Slice part) =>
        Panels.PackOperand<TSimd, TVec>(operand, part);

    public override void AttentionGradient(in AttentionGradientArguments job, float* scratch) =>
        AttentionGradientKernel<TSimd, TVec>.Run(job, scratch);

    public override long AttentionGradientScratchFloats(int queries, int keys, int headDim) =>
        AttentionGradientKernel<TSimd, TVec>.ScratchFloats(queries, keys, headDim);

    public override void LayerNormGradient(
        float* x, float* gamma, float epsilon, float* y, float* gammaGradient, float* betaGradient, float* xGradient,
        int columns) =>
        LayerNormGradientKernel<TSimd, TVec>.Run(x, gamma, epsilon, y, gammaGradient, betaGradient, xGradient, columns);

    public override void Apply(Elementwise function, float* a, float* b, float* y, int columns) =>
        ElementKernels<TSimd, TVec>.Apply(function, a, b, y, columns);

    public override void DropoutAdd(float* x, int row, int columns, Dropout dropout, float* residual, float* y) =>
        DropoutKernel<TSimd, TVec>.Run(x, row, columns, dropout, residual, y);

    public override void AddTo(float* x, float* y, int columns) => ElementKernels<TSimd, TVec>.AddTo(x, y, columns);

    public override double SoftmaxCrossEntropy(float* logits, int label, float scale, float* gradient, int columns) =>
        ElementKernels<TSimd, TVec>.SoftmaxCrossEntropy(logits, label, scale, gradient, columns);

    public override void Adam(
        float* parameter, float* gradient, float* mean, float* variance, in AdamStep step, int columns) =>
        ElementKernels<TSimd, TVec>.Adam(parameter, gradient, mean, variance, step, columns);

    public override double SumOfSquares(float* x, int columns) => ElementKernels<TSimd, TVec>.SumOfSquares(x, columns);

    public override long MultiplyAdds(int repeats) => PeakKernel<TSimd, TVec>.Run(repeats);
}
