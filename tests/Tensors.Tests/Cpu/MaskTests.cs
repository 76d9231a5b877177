using Serving.Tensors.Cpu;

namespace Serving.Tensors.Tests.Cpu;

public sealed class MaskTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 768)]
    [InlineData(48, 48)]
    [InlineData(33, 7)]
    [InlineData(64, 31)]
    [InlineData(70, 129)]
    public void Write_ThenRead_GivesTheSameBits(int outFeatures, int inFeatures)
    {
        using var backend = new CpuBackend(1);
        using var masks = backend.AllocateMasks([(3, 5), (outFeatures, inFeatures)]);
        var bits = Values.RandomBits(outFeatures * inFeatures, keep: 0.6, seed: 1);
        var mask = masks.Masks[1];

        mask.Write(0, outFeatures, bits);

        var read = new byte[bits.Length];
        mask.Read(0, outFeatures, read);
        Assert.Equal(bits, read);
        Assert.Equal(Enumerable.Range(0, outFeatures * inFeatures).Count(i => Values.Bit(bits, i)), mask.PopCount());
        Assert.Equal(0, masks.Masks[0].PopCount());
    }

    [Fact]
    public void Write_StackedRows_LeavesTheOthersAlone()
    {
        using var backend = new CpuBackend(1);
        using var masks = backend.AllocateMasks([(144, 48)]);
        byte[][] parts = [.. Enumerable.Range(0, 3).Select(i => Values.RandomBits(48 * 48, keep: 0.5, seed: i))];

        foreach (var i in new[] { 2, 0, 1 })
            masks.Masks[0].Write(i * 48, 48, parts[i]);
        masks.Masks[0].Write(48, 48, parts[1]); // Once more over set bits.

        for (var i = 0; i < parts.Length; i++)
        {
            var read = new byte[parts[i].Length];
            masks.Masks[0].Read(i * 48, 48, read);
            Assert.Equal(parts[i], read);
        }
    }

    [Fact]
    public void Write_WrongSizes_AreRefused()
    {
        using var backend = new CpuBackend(1);
        using var masks = backend.AllocateMasks([(4, 6)]);

        var tooMany = Assert.Throws<ShapeException>(() => masks.Masks[0].Write(3, 2, new byte[2]));
        var tooShort = Assert.Throws<ShapeException>(() => masks.Masks[0].Write(0, 4, new byte[2]));

        Assert.Equal("Mask: rows 3 to 5 are not in [4, 6] mask.", tooMany.Message);
        Assert.Equal("Mask: 2 bytes came for 4 rows of [4, 6] mask; 3 are needed.", tooShort.Message);
    }
}
