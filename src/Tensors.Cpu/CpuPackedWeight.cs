using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>A weight in panels, see <see cref="Panels"/>.</summary>
internal sealed unsafe class CpuPackedWeight : PackedWeight
{
    private readonly NativeBuffer _buffer;
    private readonly nint _firstByte;
    private readonly bool _isSlice;

    public CpuPackedWeight(BufferPool pool, ReadOnlySpan<Tensor> weights, int outFeatures, WeightFormat format)
        : base(outFeatures, weights[0].Columns, format)
    {
        _buffer = pool.Rent(
            Kernels.Panels.Count(outFeatures) * (long)Kernels.Panels.Bytes(InFeatures, format), hugePages: true);
        try
        {
            var row = 0;
            foreach (var weight in weights)
            {
                Kernels.Panels.PackWeight(
                    CpuBackend.Pointer(weight), weight.Stride, row, weight.Rows, InFeatures, _buffer.Pointer, format);
                row += weight.Rows;
            }
        }
        catch (NotFiniteNumberException)
        {
            _buffer.Dispose();
            throw;
        }
    }

    private CpuPackedWeight(CpuPackedWeight whole, int firstFeature, int features)
        : base(features, whole.InFeatures, whole.Format)
    {
        _buffer = whole._buffer;
        _isSlice = true;
        _firstByte = whole._firstByte
            + (firstFeature / Kernels.Panels.Width * Kernels.Panels.Bytes(InFeatures, Format));
    }

    public override long Bytes => _buffer.Bytes;

    public void* Panels => (byte*)_buffer.Floats + _firstByte;

    public override PackedWeight Slice(int firstFeature, int features)
    {
        ThrowUnlessSlice(firstFeature, features, Kernels.Panels.Width);
        return new CpuPackedWeight(this, firstFeature, features);
    }

    public override void Dispose()
    {
        if (!_isSlice)
            _buffer.Dispose();
    }
}
