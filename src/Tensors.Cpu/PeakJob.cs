using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>Multiply-adds on registers, for the measured peak.</summary>
internal struct PeakJob : IParallelJob
{
    public CpuKernels Kernels;
    public int Repeats;

    public readonly void Execute(int item, int worker) => Kernels.MultiplyAdds(Repeats);
}
