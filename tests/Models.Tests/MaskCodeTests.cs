using System.Buffers.Binary;
using Serving.Tensors;

namespace Serving.Models.Tests;

public sealed class MaskCodeTests
{
    /// <summary>By hand: of 16 bits all but 3 and 9 are ones, so zeros are listed, at distances 3 and 5.</summary>
    [Fact]
    public void Encode_ByHand()
    {
        // With one lower bit, 3 is 1, a zero, and 1; 5 is 1 1, a zero, and 1: 7 bits, as many as with two; with
        // none there are 10. Lowest first: 1 0 1, 1 1 0 1.
        var bits = new byte[16];
        bits.AsSpan().Fill(0xFF);
        bits[0] = 0b1111_0111;
        bits[1] = 0b1111_1101;
        var code = MaskCode.Encode(bits, 128)!;
        Assert.Equal([1, 2, 0, 0, 0, 0b0101_1101], code);
        Assert.Equal(bits, MaskCode.Decode(code, 128));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.001)]
    [InlineData(0.05)]
    [InlineData(0.3)]
    [InlineData(0.45)]
    [InlineData(0.7)]
    [InlineData(0.95)]
    [InlineData(1.0)]
    public void Decode_GivesTheBitsBack_AtAnyLength(double kept)
    {
        foreach (var count in (int[])[1, 7, 8, 9, 63, 64, 65, 1000, 4097, 100_003])
        {
            var bits = Random(count, kept, seed: (ulong)count);
            var code = MaskCode.Encode(bits, count);
            if (code is not null)
            {
                Assert.InRange(code.Length, 5, bits.Length - 1);
                Assert.Equal(bits, MaskCode.Decode(code, count));
            }
        }
    }

    /// <summary>Independent bits, within 2.5% of their entropy and the header.</summary>
    [Theory]
    [InlineData(0.01)]
    [InlineData(0.05)]
    [InlineData(0.1)]
    [InlineData(0.2)]
    [InlineData(0.3)]
    public void Encode_IsNearTheEntropy(double share)
    {
        const int count = 1 << 20;
        var entropy = -((share * Math.Log2(share)) + ((1 - share) * Math.Log2(1 - share))) * count / 8;
        foreach (var kept in (double[])[share, 1 - share])
        {
            var bytes = MaskCode.Encode(Random(count, kept, seed: 7), count)!.Length;
            Assert.InRange(bytes, 0.99 * entropy, 1.025 * entropy);
        }
    }

    /// <summary>85,524,480 weights with 5% zeros are at most 3.2 MB, a thousandth of BERT-base at most 3.2 kB.
    /// </summary>
    [Fact]
    public void Encode_OfFivePercentZeros_IsAThirdOfTheBits()
    {
        const int count = 8_552_448; // A tenth of BERT-base.
        Assert.InRange(MaskCode.Encode(Random(count, kept: 0.95, seed: 3), count)!.Length, 0, 320_000);
    }

    [Fact]
    public void Encode_OfWhatHasNoShorterCode_IsNull() =>
        Assert.Null(MaskCode.Encode(Random(4096, kept: 0.5, seed: 1), 4096));

    /// <summary>One listed bit at the far end of many, whatever the number of lower bits.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(17)]
    public void Decode_OfLongGaps_CountsThem(int lowBits)
    {
        const int gap = 1000;
        var written = new System.Collections.BitArray(8 * 200);
        var at = 0;
        for (var i = 0; i < gap >> lowBits; i++)
            written[at++] = true;
        at++;
        for (var i = 0; i < lowBits; i++)
            written[at++] = (gap >> i & 1) != 0;
        var body = new byte[200];
        written.CopyTo(body, 0);
        byte[] code = [(byte)(0x80 | lowBits), 1, 0, 0, 0, .. body.AsSpan(0, (at + 7) / 8)];
        var bits = MaskCode.Decode(code, 1001);
        Assert.Equal(1, BitMask.PopCount(bits));
        Assert.True(BitMask.Keeps(bits, gap));
        Assert.Throws<FormatException>(() => MaskCode.Decode(code, 1000));
    }

    /// <summary>Whatever bytes come, it is a mask with zero padding or a FormatException.</summary>
    [Fact]
    public void Decode_OfDamagedCodes_NeverReadsOrWritesElsewhere()
    {
        var good = MaskCode.Encode(Random(997, kept: 0.9, seed: 5), 997)!;
        Assert.Throws<FormatException>(() => MaskCode.Decode(good.AsSpan(0, 3), 997));
        Assert.Throws<FormatException>(() => MaskCode.Decode(good.AsSpan(0, good.Length - 1), 997));
        Assert.Throws<FormatException>(() => MaskCode.Decode([.. good, 0], 997));
        var key = CounterRandom.Key(11, 1);
        for (var trial = 0UL; trial < 5000; trial++)
        {
            var code = good.ToArray();
            for (var change = 0UL; change <= trial % 4; change++)
            {
                var random = CounterRandom.Bits(key, (4 * trial) + change);
                code[(int)(random % (ulong)code.Length)] ^= (byte)(1 << (int)(random >> 32 & 7));
            }

            try
            {
                var bits = MaskCode.Decode(code, 997);
                Assert.True(BitMask.HasZeroPadding(bits, 997));
            }
            catch (FormatException)
            {
                // As it should.
            }
        }

        BinaryPrimitives.WriteUInt32LittleEndian(good.AsSpan(1), uint.MaxValue);
        Assert.Throws<FormatException>(() => MaskCode.Decode(good, 997));
    }

    private static byte[] Random(int count, double kept, ulong seed)
    {
        var bits = new byte[(count + 7) / 8];
        for (var i = 0; i < count; i++)
        {
            if (CounterRandom.Uniform(seed, (ulong)i) < kept)
                bits[i / 8] |= (byte)(1 << (i % 8));
        }

        return bits;
    }
}
