namespace Serving.Tensors.Tests.Conformance;

/// <summary>Masks as bits.</summary>
public abstract class MaskSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    public static TheoryData<string, int, int> Shapes()
    {
        var shapes = new TheoryData<string, int, int>();
        foreach (var name in TBackends.Names)
        {
            foreach (var (rows, columns) in ((int, int)[])[(1, 1), (2, 768), (48, 48), (33, 7), (64, 31), (70, 129)])
                shapes.Add(name, rows, columns);
        }

        return shapes;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Write_ThenRead_GivesTheSameBits(string name, int outFeatures, int inFeatures)
    {
        using var backend = TBackends.Create(name);
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

    [Theory]
    [MemberData(nameof(Names))]
    public void Write_StackedRows_LeavesTheOthersAlone(string name)
    {
        using var backend = TBackends.Create(name);
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

    [Theory]
    [MemberData(nameof(Names))]
    public void Write_WrongSizes_AreRefused(string name)
    {
        using var backend = TBackends.Create(name);
        using var masks = backend.AllocateMasks([(4, 6)]);

        var tooMany = Assert.Throws<ShapeException>(() => masks.Masks[0].Write(3, 2, new byte[2]));
        var tooShort = Assert.Throws<ShapeException>(() => masks.Masks[0].Write(0, 4, new byte[2]));

        Assert.Equal("Mask: rows 3 to 5 are not in [4, 6] mask.", tooMany.Message);
        Assert.Equal("Mask: 2 bytes came for 4 rows of [4, 6] mask; 3 are needed.", tooShort.Message);
    }
}
