using Serving.Models.Onnx;
using Serving.Testing;

namespace Serving.Models.Tests.Onnx;

/// <summary>An export of the small BERT that make_exports.py writes, with a vocabulary beside it.</summary>
internal sealed class ExportFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ExportFolder(string export, string word = "a")
        : this(Read(export), word)
    {
    }

    public ExportFolder(byte[] onnx, string word = "a")
    {
        Directory.CreateDirectory(Source);
        File.WriteAllBytes(Path.Combine(Source, ModelFiles.Onnx), onnx);
        File.WriteAllLines(
            Path.Combine(Source, ModelFiles.Vocabulary),
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", word, "##" + word]);
    }

    public string Source => _folder.At("source");

    public string Target => _folder.At("target");

    public static string At(string name) => Path.Combine(AppContext.BaseDirectory, "Onnx", "exports", name);

    public static byte[] Read(string export) => File.ReadAllBytes(At(export + ".onnx"));

    public void Write(string name, string text) => File.WriteAllText(Path.Combine(Source, name), text);

    public void Convert() => OnnxImport.Convert(Source, Target);

    public void Dispose() => _folder.Dispose();
}
