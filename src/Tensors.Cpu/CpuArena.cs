namespace Serving.Tensors.Cpu;

/// <summary>Rows begin an odd number of cache lines apart, as those of tensors of their own do.</summary>
internal sealed class CpuArena(CpuBackend backend) : ChunkedArena(backend)
{
    protected override int Stride(int columns) => (int)CpuBackend.OddCacheLines(columns);
}
