namespace Serving.Client;

/// <summary>The files of a model on this side that a server makes something of.</summary>
public static class ModelFolder
{
    private const string Onnx = "model.onnx";
    private const string OnnxFolder = "onnx";

    private static readonly string[] Described =
    [
        "config.json", "generation_config.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "README.md", "LICENSE", "NOTICE"
    ];

    private static readonly string[] Weights = ["*.safetensors", "*.safetensors.index.json"];

    /// <summary>Weights as safetensors if there are any, otherwise as ONNX, and what describes them.</summary>
    /// <param name="path">
    /// A folder as the Hugging Face hub has it, or a .onnx file; what describes that lies beside it or above.
    /// </param>
    /// <returns>Paths by the names that a server knows.</returns>
    /// <exception cref="IOException">There is nothing, or nothing of a model.</exception>
    public static IReadOnlyList<(string Name, string Path)> Files(string path)
    {
        if (File.Exists(path))
            return OfOnnx(path);
        if (!Directory.Exists(path))
            throw new IOException($"{path} is not there; a model's folder or its .onnx file is needed.");
        var weights = Weights
            .SelectMany(pattern => Directory.EnumerateFiles(path, pattern))
            .Order(StringComparer.Ordinal)
            .Select(file => (Path.GetFileName(file), file)).ToList();
        if (weights.Count > 0)
            return [.. Describing(path), .. weights];
        var onnx = new[] { Path.Combine(path, Onnx), Path.Combine(path, OnnxFolder, Onnx) }.FirstOrDefault(File.Exists);
        if (onnx is not null)
            return [.. Describing(path), (Onnx, onnx)];
        throw new IOException(
            $"{path} has neither model.safetensors nor {Onnx}. Pickled weights (.bin) are never read: load them with "
            + "transformers and call save_pretrained(folder, safe_serialization=True).");
    }

    /// <summary>Sizes of files together, in bytes.</summary>
    public static long Bytes(IEnumerable<(string Name, string Path)> files) =>
        files.Sum(file => new FileInfo(file.Path).Length);

    private static List<(string Name, string Path)> OfOnnx(string path)
    {
        if (!path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase))
            throw new IOException($"{path} is a file; a model's folder or its .onnx file is needed.");
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var described = Describing(folder).ToList();
        if (!described.Exists(file => file.Name is "vocab.txt" or "tokenizer.json")
            && Path.GetDirectoryName(folder) is { } above)
            described = [.. Describing(above)];
        return [.. described, (Onnx, path)];
    }

    private static IEnumerable<(string Name, string Path)> Describing(string folder) => Described
        .Select(name => (name, Path.Combine(folder, name)))
        .Where(file => File.Exists(file.Item2));
}
