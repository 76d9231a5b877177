using System.IO.Enumeration;

namespace Serving.Models;

/// <summary>Weights under other names and in other formats than those that are read.</summary>
public static class OtherWeights
{
    private const string Save = "load it with transformers and call save_pretrained(folder, safe_serialization=True).";
    private const string Pickle = $"a pickle, which can run code and is never read. Convert it: {Save}";
    private const string TensorFlow = $"of TensorFlow, which is not read. Convert it with from_tf=True: {Save}";
    private const string Flax = $"of Flax, which is not read. Convert it with from_flax=True: {Save}";
    private const string NotRead = "which is not read. Fetch the model as safetensors.";

    /// <summary>Patterns of names with what such a file is and what to do, the likeliest first.</summary>
    private static readonly (string Pattern, string Reason)[] Known =
    [
        (
            "model-*-of-*.safetensors",
            $"a part of them, and no {ModelFiles.WeightIndex}, which says what is in which part. Fetch that file, too."
        ),
        ("*.safetensors", $"not in {ModelFiles.Weights}. If they are the model's, rename the file."),
        ("pytorch_model*.bin", Pickle),
        ("*.pt", Pickle),
        ("*.pth", Pickle),
        ("*.ckpt", Pickle),
        ("tf_model*.h5", TensorFlow),
        ("*.ckpt.index", TensorFlow),
        ("flax_model*.msgpack", Flax),
        ("*.onnx", "a graph of ONNX, of which 'serving models import' makes a folder."),
        ("*.gguf", $"a file of llama.cpp, {NotRead}")
    ];

    /// <returns>What a folder has in place of weights; null if it has nothing that is known.</returns>
    public static string? Describe(string folder) =>
        Directory.Exists(folder) && Describe(Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)))
            is { } weights
            ? $"{folder} has its weights in {weights}"
            : null;

    /// <param name="names">Of files.</param>
    /// <returns>The likeliest to be weights, with what it is and what to do; null if none is known.</returns>
    public static string? Describe(IEnumerable<string> names)
    {
        var all = names.Order(StringComparer.Ordinal).ToList();
        foreach (var (pattern, reason) in Known)
        {
            if (all.Find(name => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false)) is { } found)
                return $"{found}, {reason}";
        }

        return null;
    }
}
