namespace Serving.Tensors.Tests.Reference;

/// <summary>A weight, row by row, as rounded as its format.</summary>
internal sealed class ReferencePackedWeight : PackedWeight
{
    private readonly ReferenceAllocation _allocation;
    private readonly float[] _values;

    public ReferencePackedWeight(ReferenceLedger ledger, int outFeatures, float[] values, WeightFormat format)
        : base(outFeatures, values.Length / outFeatures, format)
    {
        _values = format switch
        {
            WeightFormat.BFloat16 => [.. values.Select(Rounded)],
            WeightFormat.Int8 => [.. values.Chunk(InFeatures).SelectMany(row => row.Chunk(64)).SelectMany(In8Bits)],
            _ => values
        };
        _allocation = new(ledger, format.Bytes(values.Length));
    }

    public override long Bytes => _allocation.Bytes;

    public override PackedWeight Slice(int firstFeature, int features)
    {
        ThrowUnlessSlice(firstFeature, features, multiple: 1);
        return new ReferencePackedWeight(
            new(), features, _values[(firstFeature * InFeatures)..((firstFeature + features) * InFeatures)], Format);
    }

    public float this[int outFeature, int inFeature] => _values[(outFeature * InFeatures) + inFeature];

    public override void Dispose() => _allocation.Dispose();

    /// <summary>A block of weights of a row as whole numbers, 127 for the largest, times what is one.</summary>
    private static IEnumerable<float> In8Bits(float[] block)
    {
        if (block.FirstOrDefault(value => !float.IsFinite(value)) is var odd && odd != 0)
            throw new NotFiniteNumberException(odd);
        var one = block.Max(Math.Abs) / 127;
        return block.Select(value =>
            one == 0 ? 0 : one * (float)Math.Round((double)(value / one), MidpointRounding.ToEven));
    }

    /// <summary>The nearest float whose lower 16 bits are zero; ties go to the even one.</summary>
    private static float Rounded(float value)
    {
        if (!float.IsFinite(value))
            return value;
        var bits = BitConverter.SingleToUInt32Bits(value);
        var (above, below) = ((bits & 0xFFFF) - 0x8000u, bits & 0xFFFF0000u);
        var isUp = (bits & 0xFFFF) > 0x8000 || (above == 0 && (bits & 0x10000) != 0);
        return BitConverter.UInt32BitsToSingle(isUp ? below + 0x10000 : below);
    }
}

/// <summary>A mask, a bool for each bit.</summary>
internal sealed class ReferencePackedMask(int outFeatures, int inFeatures) : PackedMask(outFeatures, inFeatures)
{
    private readonly bool[] _bits = new bool[outFeatures * inFeatures];

    public bool this[int outFeature, int inFeature] => _bits[(outFeature * InFeatures) + inFeature];

    public override void Write(int firstRow, int rows, ReadOnlySpan<byte> bits)
    {
        ThrowUnlessRows(firstRow, rows, bits.Length);
        for (var i = 0; i < rows * InFeatures; i++)
            _bits[(firstRow * InFeatures) + i] = ((bits[i / 8] >> (i % 8)) & 1) == 1;
    }

    public override void Read(int firstRow, int rows, Span<byte> bits)
    {
        ThrowUnlessRows(firstRow, rows, bits.Length);
        bits.Clear();
        for (var i = 0; i < rows * InFeatures; i++)
        {
            if (_bits[(firstRow * InFeatures) + i])
                bits[i / 8] |= (byte)(1 << (i % 8));
        }
    }

    public override long PopCount() => _bits.LongCount(bit => bit);
}

internal sealed class ReferenceMaskSet(ReferenceLedger ledger, IReadOnlyList<ReferencePackedMask> masks) : MaskSet
{
    private readonly ReferenceAllocation _allocation = new(
        ledger, masks.Sum(mask => PackedMask.ByteCount((long)mask.OutFeatures * mask.InFeatures)));

    public override IReadOnlyList<PackedMask> Masks => masks;

    public override long Bytes => _allocation.Bytes;

    public override void Dispose() => _allocation.Dispose();
}
