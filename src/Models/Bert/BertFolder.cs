using System.Text.Json;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>A BERT model as Hugging Face folders hold it: config.json, vocab.txt, model.safetensors.</summary>
public sealed class BertFolder
{
    private const string WeightsFile = "model.safetensors";

    /// <summary>Names a folder; nothing is read yet.</summary>
    public BertFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Reads vocab.txt, and whether it is uncased from tokenizer_config.json if that is there.</summary>
    /// <exception cref="ModelFileException">A file is missing or unsound.</exception>
    public BertTokenizer LoadTokenizer()
    {
        var vocab = File("vocab.txt");
        try
        {
            return new(Vocabulary.Load(vocab), IsLowercase());
        }
        catch (Exception exception) when (exception is VocabularyException or IOException)
        {
            throw new ModelFileException($"{vocab}: {exception.Message}", exception);
        }
    }

    /// <summary>Reads config.json and the weights.</summary>
    /// <param name="format">How weight matrices are kept in memory.</param>
    /// <exception cref="ModelFileException">A file is missing or unsound, or has other shapes than config.json says.</exception>
    public BertEncoder LoadEncoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32)
    {
        var config = BertConfig.Load(File("config.json"));
        var path = File(WeightsFile);
        if (!System.IO.File.Exists(path))
        {
            throw new ModelFileException(
                System.IO.File.Exists(File("pytorch_model.bin"))
                    ? $"{Path} has its weights in pytorch_model.bin, a pickle, which can run code and is never read. Convert it: "
                    + "load it with transformers and call save_pretrained(folder, safe_serialization=True)."
                    : $"{path} is missing; a model is a folder with config.json, vocab.txt and {WeightsFile}.");
        }

        using var file = SafetensorsFile.Open(path);
        return BertEncoder.Load(backend, config, new SafetensorsBertWeights(file), format);
    }

    private bool IsLowercase()
    {
        var path = File("tokenizer_config.json");
        if (!System.IO.File.Exists(path))
            return true;
        try
        {
            using var document = JsonDocument.Parse(System.IO.File.ReadAllText(path));
            return !document.RootElement.TryGetProperty("do_lower_case", out var value) || value.GetBoolean();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new ModelFileException($"{path} is no tokenizer configuration: {exception.Message}", exception);
        }
    }

    private string File(string name) => System.IO.Path.Combine(Path, name);
}

/// <summary>Parameters of a checkpoint: with or without the prefix "bert.", with gamma and beta for weight and bias of norms.</summary>
internal sealed class SafetensorsBertWeights(SafetensorsFile file) : IBertWeights
{
    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        var entry = Find(name);
        var shape = entry.Shape;
        var isRight = rows == 1 && shape.Count == 1
            ? shape[0] == columns
            : shape.Count == 2 && shape[0] == rows && shape[1] == columns;
        if (!isRight)
        {
            throw new ModelFileException(
                $"{file.Path}: {entry} has another shape than config.json says; [{rows}, {columns}] is needed.");
        }

        file.ReadFloats(entry.Name, (long)firstRow * columns, values);
    }

    private SafetensorsEntry Find(string name)
    {
        var legacy = name.Contains("LayerNorm", StringComparison.Ordinal)
            ? name.Replace(".weight", ".gamma", StringComparison.Ordinal).Replace(".bias", ".beta", StringComparison.Ordinal)
            : name;
        foreach (var candidate in (string[])[name, "bert." + name, legacy, "bert." + legacy])
        {
            if (file.Entries.TryGetValue(candidate, out var entry))
                return entry;
        }

        return file.Entry(name); // Says that it is missing.
    }
}
