using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Testing;

namespace Serving.Models.Tests.Versions;

public sealed class MaskDistanceTests : IDisposable
{
    private const string Query = "encoder.layer.0.attention.self.query.weight";

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Tensors_CountByTheirWeights_AndOneWithoutAMaskIsWhole()
    {
        using var a = Pack(
            (Query, 1, 4, 0b0011), (BertTensors.PoolerWeight, 1, 8, 0b1111_0000),
            (BertTensors.ClassifierWeight, 2, 4, 1));
        using var b = Pack((Query, 1, 4, 0b0110), (BertTensors.ClassifierWeight, 1, 4, 2));
        var distance = MaskDistance.Between(a, b);

        // Two of 2 + 2 kept differ in the query; of the pooler b keeps all 8, a 4: four of 12. Heads do not count.
        Assert.Equal(new Dictionary<string, double>
        {
            [Query] = 2.0 / 4,
            [BertTensors.PoolerWeight] = 4.0 / 12
        }, distance.ByTensor);
        Assert.Equal(6.0 / 16, distance.Total);
        Assert.Equal(distance.Total, MaskDistance.Between(b, a).Total);
        Assert.Equal(0, MaskDistance.Between(a, a).Total);
    }

    [Fact]
    public void NoMasks_AreNoDistance()
    {
        using var a = Pack();
        Assert.Equal((0, 0), (MaskDistance.Between(a, a).Total, MaskDistance.Between(a, a).ByTensor.Count));
    }

    public void Dispose() => _folder.Dispose();

    private VersionFiles Pack(params (string Name, int Rows, int Columns, byte Bits)[] masks)
    {
        var writer = new VersionWriter();
        foreach (var (name, rows, columns, bits) in masks)
            writer.AddMask(name, rows, columns, new[] { bits });
        writer.SetHead(new float[8], new float[2]);
        return VersionFiles.Open(Path.Combine(_folder.Path, writer.Write(_folder.Path, new()
        {
            Format = VersionManifest.CurrentFormat,
            Labels = ["no", "yes"],
            Inputs = TextInputs.Text,
            Backbone = new string('0', 64),
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        })));
    }
}
