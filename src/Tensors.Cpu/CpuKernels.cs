using System.Runtime.Intrinsics;
using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>The kernels of one vector width, chosen once.</summary>
internal abstract unsafe class CpuKernels
{
    private static readonly CpuKernels[] All =
    [
        new CpuKernels<Simd512, Vector512<float>>(),
        new CpuKernels<Simd256, Vector256<float>>(),
        new CpuKernels<Simd128, Vector128<float>>(),
        new CpuKernels<SimdScalar, float>()
    ];

    /// <summary>All vector widths that this processor runs, widest first.</summary>
    public static IReadOnlyList<CpuKernels> Supported { get; } = [.. All.Where(kernels => kernels.IsSupported)];

    /// <summary>The widest vectors that this processor runs.</summary>
    public static CpuKernels Best => Supported[0];

    public abstract string Name { get; }

    /// <summary>Why these, in words: what the processor has for them, and what it lacks for wider ones.</summary>
    public string Reason
    {
        get
        {
            var wider = All.TakeWhile(kernels => kernels != this).Where(kernels => !kernels.IsSupported);
            var lacks = string.Join(", no ", wider.Select(kernels => kernels.Needs));
            return lacks.Length == 0
                ? $"the processor has {Needs}"
                : $"the processor has {Needs}, but no {lacks}, or they are turned off";
        }
    }

    /// <summary>What the processor must have for these, in words.</summary>
    protected abstract string Needs { get; }

    /// <summary>Whether this processor runs them, and the runtime's settings let it.</summary>
    protected abstract bool IsSupported { get; }

    public abstract void Linear(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel);

    public abstract void Attention(in AttentionArguments job, float* scratch);

    public abstract long AttentionScratchFloats(int keys, int headDim);

    public abstract void CachedAttention(in CachedAttentionArguments job, float* scores);

    public abstract void Lstm(in LstmArguments row);

    public abstract void LstmGradient(in LstmArguments row);

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

    public abstract (double Loss, double Penalty) Unlikelihood(in UnlikelihoodArguments row);

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

    protected override string Needs => TSimd.Needs;

    protected override bool IsSupported => TSimd.IsSupported;

    public override void Linear(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel) =>
        LinearKernel<TSimd, TVec>.Run(job, firstRow, endRow, firstPanel, endPanel);

    public override void Attention(in AttentionArguments job, float* scratch) =>
        AttentionKernel<TSimd, TVec>.Run(job, scratch);

    public override long AttentionScratchFloats(int keys, int headDim) =>
        AttentionKernel<TSimd, TVec>.ScratchFloats(keys, headDim);

    public override void CachedAttention(in CachedAttentionArguments job, float* scores) =>
        CachedAttentionKernel<TSimd, TVec>.Run(job, scores);

    public override void Lstm(in LstmArguments row) => LstmKernel<TSimd, TVec>.Forward(row);

    public override void LstmGradient(in LstmArguments row) => LstmKernel<TSimd, TVec>.Backward(row);

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

    public override (double Loss, double Penalty) Unlikelihood(in UnlikelihoodArguments row) =>
        UnlikelihoodKernel<TSimd, TVec>.Run(row);

    public override void Adam(
        float* parameter, float* gradient, float* mean, float* variance, in AdamStep step, int columns) =>
        ElementKernels<TSimd, TVec>.Adam(parameter, gradient, mean, variance, step, columns);

    public override double SumOfSquares(float* x, int columns) => ElementKernels<TSimd, TVec>.SumOfSquares(x, columns);

    public override long MultiplyAdds(int repeats) => PeakKernel<TSimd, TVec>.Run(repeats);
}
