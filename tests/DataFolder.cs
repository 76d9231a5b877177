using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Tensors.Cpu;

namespace Serving.Testing;

/// <summary>A data root with the small random BERT as its one model, and task versions beside it.</summary>
internal sealed class DataFolder : IDisposable
{
    public const string Model = "small";

    private static readonly string Golden = System.IO.Path.Combine(AppContext.BaseDirectory, "golden", "bert");
    private static readonly (BertConfig Config, string Digest) Backbone = ReadBackbone();

    private readonly TemporaryFolder _folder = new();

    /// <param name="isEmpty">Leaves the model out, and the data root not made.</param>
    public DataFolder(bool isEmpty = false)
    {
        if (isEmpty)
            return;
        var model = Directory.CreateDirectory(System.IO.Path.Combine(Path, "models", Model)).FullName;
        foreach (var file in Directory.EnumerateFiles(Golden))
            File.Copy(file, System.IO.Path.Combine(model, System.IO.Path.GetFileName(file)));
    }

    public string Path => _folder.At("data");

    /// <summary>Writes a version outside of the data root.</summary>
    /// <returns>Its folder, which is named after the version.</returns>
    public string WriteVersion(int seed, int labels = 2, TextInputs inputs = TextInputs.Text) =>
        _folder.At(RandomTask.Write(_folder.Path, Backbone.Config, Backbone.Digest, seed, labels, inputs));

    public string At(string name) => _folder.At(name);

    public void Dispose() => _folder.Dispose();

    private static (BertConfig Config, string Digest) ReadBackbone()
    {
        using var backend = new CpuBackend(1);
        using var encoder = new BertFolder(Golden).LoadEncoder(backend);
        return (encoder.Config, encoder.Digest);
    }
}
