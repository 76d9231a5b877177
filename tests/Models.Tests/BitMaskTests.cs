namespace Serving.Models.Tests;

public sealed class BitMaskTests
{
    [Fact]
    public void PopCount_CountsEveryBit()
    {
        byte[] bits = [.. Enumerable.Repeat((byte)0b1010_0001, 19)];
        Assert.Equal(3 * 19, BitMask.PopCount(bits));
        Assert.Equal(0, BitMask.PopCount([]));
    }

    [Fact]
    public void Dissimilarity_OfKnownMasks()
    {
        Assert.Equal(0, BitMask.Dissimilarity([0b1111], [0b1111]));
        Assert.Equal(1, BitMask.Dissimilarity([0b0011], [0b1100]));
        Assert.Equal(2.0 / 6, BitMask.Dissimilarity([0b0111], [0b1110])); // Two bits differ, 3 + 3 are kept.
        Assert.Equal(0, BitMask.Dissimilarity([0], [0]));
        Assert.Throws<ArgumentException>(() => BitMask.Dissimilarity([0], [0, 0]));
    }

    [Fact]
    public void Dissimilarity_OfIndependentMasks_IsOneMinusTheKeptFraction()
    {
        var random = new Random(1);
        byte[][] masks = [new byte[12500], new byte[12500]];
        foreach (var mask in masks)
        {
            for (var i = 0; i < 100_000; i++)
            {
                if (random.NextDouble() < 0.95)
                    mask[i / 8] |= (byte)(1 << (i % 8));
            }
        }

        // E s = 1 - q = 0.05; the standard deviation of 100,000 bits is below 0.001.
        Assert.Equal(0.05, BitMask.Dissimilarity(masks[0], masks[1]), 0.004);
    }

    [Fact]
    public void HasZeroPadding_SeesBitsBehindTheLast()
    {
        Assert.True(BitMask.HasZeroPadding([0xFF, 0b0111], 11));
        Assert.False(BitMask.HasZeroPadding([0xFF, 0b1111], 11));
        Assert.True(BitMask.HasZeroPadding([0xFF], 8));
    }
}
