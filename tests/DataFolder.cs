using System.Runtime.InteropServices;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Tensors.Cpu;

namespace Serving.Testing;

/// <summary>A data root with the small random BERT as its one model, and task versions beside it.</summary>
internal sealed class DataFolder : IDisposable
{
    public const string Model = "small";

    private static readonly string Golden = System.IO.Path.Combine(AppContext.BaseDirectory, "golden", "bert");
    private static readonly (BertConfig Config, BackboneDigest Digest) Backbone = ReadBackbone(Golden);

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

    /// <summary>Writes a version that knows its backbone by its weights alone, as versions once did.</summary>
    public string WriteOldVersion(int seed) => _folder.At(RandomTask.Write(
        _folder.Path, Backbone.Config, Backbone.Digest, seed, knowsWeightsAlone: true));

    public string At(string name) => _folder.At(name);

    public void Dispose() => _folder.Dispose();

    /// <summary>Adds a model like the first, but for a quarter of its weights.</summary>
    /// <returns>The folder of a version of a task over it, outside of the data root.</returns>
    public string AddModel(string name, int seed)
    {
        var model = Directory.CreateDirectory(System.IO.Path.Combine(Path, "models", name)).FullName;
        foreach (var file in Directory.EnumerateFiles(Golden))
            File.Copy(file, System.IO.Path.Combine(model, System.IO.Path.GetFileName(file)));
        var path = System.IO.Path.Combine(model, ModelFiles.Weights);
        var bytes = File.ReadAllBytes(path);
        var random = new Random(seed);
        foreach (ref var weight in MemoryMarshal.Cast<byte, float>(bytes.AsSpan(bytes.Length / 16 * 12)))
            weight = random.NextSingle() - 0.5f;
        File.WriteAllBytes(path, bytes);
        var (config, digest) = ReadBackbone(model);
        return _folder.At(RandomTask.Write(_folder.Path, config, digest, seed));
    }

    private static (BertConfig Config, BackboneDigest Digest) ReadBackbone(string folder)
    {
        using var backend = new CpuBackend(1);
        using var encoder = new BertFolder(folder).LoadEncoder(backend);
        return (encoder.Config, encoder.Backbone!);
    }
}
