using System.Numerics;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>A mask, a bit for each element without gaps, in its set's memory.</summary>
internal sealed class TorchPackedMask(
    TorchContext context, MaskedWeights masked, TorchMemory memory, long firstByte, int outFeatures, int inFeatures)
    : PackedMask(outFeatures, inFeatures)
{
    private const int BitsPerByte = 8;

    private long ByteLength => ByteCount((long)OutFeatures * InFeatures);

    /// <summary>Which elements count: [outFeatures, inFeatures], true or 1 for those; in an operation.</summary>
    public torch.Tensor Keep(torch.ScalarType type)
    {
        var bytes = memory.Values.narrow(0, firstByte, ByteLength).to(torch.ScalarType.Int32);
        var bits = context.BitsOfBytes(type).index_select(0, bytes);
        return bits.view(-1).narrow(0, 0, (long)OutFeatures * InFeatures).view(OutFeatures, InFeatures);
    }

    public override void Write(int firstRow, int rows, ReadOnlySpan<byte> bits)
    {
        ThrowUnlessRows(firstRow, rows, bits.Length);
        if (rows == 0)
            return;
        masked.Remove(this);
        using var operation = context.Begin();
        var (bytes, shift) = BytesOf(firstRow, rows);
        var count = (long)rows * InFeatures;
        var written = new byte[bytes.NumberOfElements];
        if (shift != 0 || count % BitsPerByte != 0)
            TorchContext.Download<byte>(bytes, written);
        BitCopy.Copy(bits, 0, written, shift, count);
        bytes.copy_(context.Upload(written));
    }

    public override void Read(int firstRow, int rows, Span<byte> bits)
    {
        ThrowUnlessRows(firstRow, rows, bits.Length);
        if (rows == 0)
            return;
        using var operation = context.Begin();
        var (bytes, shift) = BytesOf(firstRow, rows);
        var read = new byte[bytes.NumberOfElements];
        TorchContext.Download<byte>(bytes, read);
        bits.Clear();
        BitCopy.Copy(read, shift, bits, 0, (long)rows * InFeatures);
    }

    public override long PopCount()
    {
        var all = new byte[ByteLength];
        using (context.Begin())
            TorchContext.Download<byte>(memory.Values.narrow(0, firstByte, ByteLength), all);
        var count = 0L;
        foreach (var value in all) // Bits past the last element are 0.
            count += BitOperations.PopCount(value);
        return count;
    }

    /// <summary>The bytes that hold some rows' bits, and the place of the first bit in the first byte.</summary>
    private (torch.Tensor Bytes, int Shift) BytesOf(int firstRow, int rows)
    {
        var (begin, end) = ((long)firstRow * InFeatures, (long)(firstRow + rows) * InFeatures);
        var first = begin / BitsPerByte;
        return (memory.Values.narrow(0, firstByte + first, ByteCount(end) - first), (int)(begin % BitsPerByte));
    }
}

/// <summary>Masks one after another in one tensor of bytes.</summary>
internal sealed class TorchMaskSet : MaskSet
{
    private const int Alignment = 16;

    private readonly TorchMemory _memory;
    private readonly TorchPackedMask[] _masks;
    private readonly MaskedWeights _masked;

    public TorchMaskSet(
        TorchContext context, MaskedWeights masked, ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes)
    {
        var bytes = 0L;
        foreach (var shape in shapes)
            bytes += BytesOf(shape);
        _masked = masked;
        _memory = context.Allocate(bytes, torch.ScalarType.Byte);
        _masks = new TorchPackedMask[shapes.Length];
        var first = 0L;
        for (var i = 0; i < shapes.Length; i++)
        {
            _masks[i] = new(context, masked, _memory, first, shapes[i].OutFeatures, shapes[i].InFeatures);
            first += BytesOf(shapes[i]);
        }
    }

    public override IReadOnlyList<PackedMask> Masks => _masks;

    public override long Bytes => _memory.Bytes;

    public override void Dispose()
    {
        foreach (var mask in _masks)
            _masked.Remove(mask);
        _memory.Dispose();
    }

    private static long BytesOf((int OutFeatures, int InFeatures) shape)
    {
        var bytes = PackedMask.ByteCount((long)shape.OutFeatures * shape.InFeatures);
        return (bytes + Alignment - 1) / Alignment * Alignment;
    }
}
