namespace Serving.Tensors.Torch;

/// <summary>Copies bits, least significant first, to where they may begin at another place of a byte.</summary>
internal static class BitCopy
{
    private const int BitsPerByte = 8;

    /// <summary>Copies bits; leaves the target's other bits alone.</summary>
    /// <param name="sourceBit">The first bit of the source.</param>
    /// <param name="targetBit">The first bit of the target.</param>
    public static void Copy(ReadOnlySpan<byte> source, int sourceBit, Span<byte> target, int targetBit, long count)
    {
        var whole = sourceBit == 0 && targetBit == 0 ? count / BitsPerByte : 0;
        source[..(int)whole].CopyTo(target);
        for (var i = whole * BitsPerByte; i < count; i++)
        {
            var (from, to) = (sourceBit + i, targetBit + i);
            var bit = 1 << (int)(to % BitsPerByte);
            ref var value = ref target[(int)(to / BitsPerByte)];
            var isSet = ((source[(int)(from / BitsPerByte)] >> (int)(from % BitsPerByte)) & 1) == 1;
            value = (byte)(isSet ? value | bit : value & ~bit);
        }
    }
}
