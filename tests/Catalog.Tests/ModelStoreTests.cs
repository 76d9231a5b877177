using Serving.Catalog.Stored;
using Serving.Models.Bert;
using Serving.Storage;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Catalog.Tests;

public sealed class ModelStoreTests : IDisposable
{
    private readonly DataFolder _data = new();

    private string Model => Path.Combine(_data.Path, "models", DataFolder.Model);

    public void Dispose() => _data.Dispose();

    [Fact]
    public void Digest_IsFound_WithoutLoadingTheModel()
    {
        using var backend = new CpuBackend(1);
        using var encoder = new BertFolder(Model).LoadEncoder(backend);
        var store = Open();
        Assert.Equal(DataFolder.Model, store.FindByDigest(encoder.Backbone!.Value.ToUpperInvariant()));
        Assert.Equal(DataFolder.Model, store.FindByDigest(encoder.Digest.ToUpperInvariant()));
        Assert.Null(store.FindByDigest(new string('0', 64)));
    }

    [Fact]
    public void Digest_OfFilesThatChanged_IsReadAnew()
    {
        var store = Open();
        var digest = new BertFolder(Model).ReadDigest().Value;
        Assert.Equal(DataFolder.Model, store.FindByDigest(digest));
        var weights = Path.Combine(Model, "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        File.SetLastWriteTimeUtc(weights, new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.Null(store.FindByDigest(digest));
        Assert.Equal(DataFolder.Model, store.FindByDigest(new BertFolder(Model).ReadDigest().Value));
    }

    [Fact]
    public void Digest_OfAFileBehindALinkThatChanged_IsReadAnew()
    {
        var vocabulary = Path.Combine(Model, "vocab.txt");
        File.Move(vocabulary, _data.At("blob"));
        File.CreateSymbolicLink(vocabulary, _data.At("blob"));
        File.CreateSymbolicLink(Path.Combine(Model, "README.md"), "nowhere");
        var store = Open();
        var digest = new BertFolder(Model).ReadDigest().Value;
        Assert.Equal(DataFolder.Model, store.FindByDigest(digest));

        File.WriteAllText(_data.At("blob"), File.ReadAllText(_data.At("blob")).Replace("\na\nb\n", "\nb\na\n"));
        File.SetLastWriteTimeUtc(_data.At("blob"), new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));

        Assert.Null(store.FindByDigest(digest));
        Assert.Equal(DataFolder.Model, store.FindByDigest(new BertFolder(Model).ReadDigest().Value));
    }

    [Fact]
    public void Add_OfANameThatIsTaken_IsRefused_UnlessTheFilesAreTheSame()
    {
        var store = Open();
        store.Add("copy", Model);
        store.Add("copy", Model);
        Assert.Equal(["copy", DataFolder.Model], store.Names);
        File.AppendAllText(Path.Combine(Model, "vocab.txt"), "more\n");
        var error = Assert.Throws<DomainException>(() => store.Add("copy", Model));
        Assert.Equal((ErrorKind.AlreadyExists, "model", "copy"), (error.Kind, error.Resource, error.Subject));
    }

    [Fact]
    public void Shape_OfAnUnknownKind_IsAProblemThatNamesTheKnown()
    {
        var config = Path.Combine(Model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"bert\"", "\"mamba\""));
        Assert.Null(Open().ReadShape(DataFolder.Model, out var problem));
        Assert.EndsWith(
            "config.json: model_type is 'mamba'; known are bert, gpt2, lstm.", problem, StringComparison.Ordinal);
    }

    private ModelStore Open() => new(Path.Combine(_data.Path, "models"), chosen: null, DiskFileSystem.Instance);
}
