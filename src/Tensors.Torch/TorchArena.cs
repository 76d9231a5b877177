namespace Serving.Tensors.Torch;

/// <summary>Tensors are contiguous, and begin where CUDA's own allocations may: at multiples of 256 bytes.</summary>
internal sealed class TorchArena(TorchBackend backend) : ChunkedArena(backend)
{
    protected override int Stride(int columns) => columns;
}
