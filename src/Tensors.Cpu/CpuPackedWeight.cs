using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>A weight in panels, see <see cref="Panels"/>.</summary>
internal sealed unsafe class CpuPackedWeight : PackedWeight
{
    private readonly NativeBuffer _buffer;

    public CpuPackedWeight(BufferPool pool, ReadOnlySpan<Tensor> weights, int outFeatures, WeightFormat format)
        : base(outFeatures, weights[0].Columns, format)
    {
        var elementBytes = format == WeightFormat.Float32 ? sizeof(float) : sizeof(ushort);
        _buffer = pool.Rent(
            (long)Kernels.Panels.Count(outFeatures) * InFeatures * Kernels.Panels.Width * elementBytes,
            hugePages: true);
        var row = 0;
        foreach (var weight in weights)
        {
            Kernels.Panels.PackWeight(
                CpuBackend.Pointer(weight), weight.Stride, row, weight.Rows, InFeatures, _buffer.Pointer, format);
            row += weight.Rows;
        }
    }

    public override long Bytes => _buffer.Bytes;

    public void* Panels => _buffer.Floats;

    public override void Dispose() => _buffer.Dispose();
}
