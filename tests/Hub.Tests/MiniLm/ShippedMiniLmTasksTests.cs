using Serving.Models.Versions;
using Serving.Tensors.Cpu;

namespace Serving.Hub.Tests.MiniLm;

/// <summary>What models/minilm holds is for what a pull makes.</summary>
public sealed class ShippedMiniLmTasksTests(MiniLmFixture model) : IClassFixture<MiniLmFixture>
{
    [Fact]
    public void Versions_AreSound_AndOverTheModelThatIsPulled()
    {
        using var backend = new CpuBackend(1);
        using var encoder = model.Folder.LoadEncoder(backend);
        var versions = Directory.GetDirectories(Path.Combine(AppContext.BaseDirectory, "shipped"))
            .SelectMany(Directory.GetDirectories)
            .ToList();
        Assert.NotEmpty(versions);
        foreach (var folder in versions)
        {
            using var version = VersionFiles.Open(folder, Path.GetFileName(folder));
            version.ThrowUnlessFor(encoder);
            Assert.Equal(encoder.Backbone!.Value, version.Manifest.Backbone);
        }
    }
}
