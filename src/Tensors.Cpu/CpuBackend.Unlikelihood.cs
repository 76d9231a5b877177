using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>Unlikelihood beside likelihood.</summary>
public sealed unsafe partial class CpuBackend
{
    public override void SoftmaxUnlikelihood(
        Tensor logits, IndexBuffer labels, IndexBuffer candidates, IndexBuffer candidateOffsets, float scale,
        float penaltyScale, Tensor gradient, Scalar loss, Scalar penalty)
    {
        Shapes.SoftmaxUnlikelihood(logits, labels, candidates, candidateOffsets, gradient);
        var sums = new (double Loss, double Penalty)[logits.Rows];
        var scratch = new double[candidates.Values.Length];
        fixed ((double, double)* ofRows = sums)
        fixed (double* ofCandidates = scratch)
        {
            var job = new UnlikelihoodJob
            {
                Kernels = _kernels,
                Logits = Rows(logits),
                Gradient = Rows(gradient),
                Labels = Pointer(labels),
                Candidates = Pointer(candidates),
                Offsets = Pointer(candidateOffsets),
                Columns = logits.Columns,
                Scale = scale,
                PenaltyScale = penaltyScale,
                Scratch = ofCandidates,
                Sums = ofRows
            };
            _threads.Run(ref job, logits.Rows);
        }

        CpuScalarBuffer.Add(loss, sums.Sum(each => each.Loss));
        CpuScalarBuffer.Add(penalty, sums.Sum(each => each.Penalty));
    }

    /// <summary>A row a thread.</summary>
    private struct UnlikelihoodJob : IParallelJob
    {
        public CpuKernels Kernels;
        public MatrixRows Logits;
        public MatrixRows Gradient;
        public int* Labels;
        public int* Candidates;
        public int* Offsets;
        public int Columns;
        public float Scale;
        public float PenaltyScale;
        public double* Scratch;
        public (double, double)* Sums;

        public readonly void Execute(int item, int worker)
        {
            var (first, count) = (Offsets[item], Offsets[item + 1] - Offsets[item]);
            Sums[item] = Kernels.Unlikelihood(new()
            {
                Logits = Logits[item],
                Label = Labels[item],
                Candidates = new(Candidates + first, count),
                Scale = Scale,
                PenaltyScale = PenaltyScale,
                Gradient = Gradient[item],
                Columns = Columns,
                Scratch = new(Scratch + first, count)
            });
        }
    }
}
