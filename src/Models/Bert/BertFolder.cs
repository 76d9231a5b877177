using System.Text.Json;
using Serving.Models.Safetensors;
using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>A BERT model as Hugging Face folders hold it: config.json, vocab.txt, model.safetensors.</summary>
public sealed class BertFolder : IModelFolder
{
    /// <summary>Its model_type.</summary>
    public const string Kind = "bert";

    /// <summary>Names a folder; nothing is read yet.</summary>
    public BertFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Reads vocab.txt, and whether it is uncased from tokenizer_config.json if that is there.</summary>
    /// <exception cref="ModelFileException">A file is missing or unsound.</exception>
    public BertTokenizer LoadTokenizer()
    {
        var vocab = File(ModelFiles.Vocabulary);
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
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public BertEncoder LoadEncoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32)
    {
        var config = LoadConfig();
        using var file = OpenWeights();
        return BertEncoder.Load(backend, config, new CheckpointParameters(file), format);
    }

    /// <exception cref="ModelFileException">config.json is missing or has unsupported values.</exception>
    public BertConfig LoadConfig() => BertConfig.Load(File(ModelFiles.Config));

    public ModelShape ReadShape() => LoadConfig().Shape;

    public string ReadDigest()
    {
        var config = LoadConfig();
        using var file = OpenWeights();
        return BertDigest.Read(config, new CheckpointParameters(file));
    }

    /// <summary>Maps the weights.</summary>
    /// <exception cref="ModelFileException">They are missing, a pickle, or damaged.</exception>
    public SafetensorsFile OpenWeights()
    {
        var path = File(ModelFiles.Weights);
        if (System.IO.File.Exists(path))
            return SafetensorsFile.Open(path);
        throw new ModelFileException(
            System.IO.File.Exists(File(ModelFiles.PickledWeights))
                ? $"{Path} has its weights in {ModelFiles.PickledWeights}, a pickle, which can run code and is never "
                + "read. "
                + "Convert it: load it with transformers and call save_pretrained(folder, safe_serialization=True)."
                : $"{path} is missing; a model is a folder with {ModelFiles.Config}, {ModelFiles.Vocabulary} and "
                + $"{ModelFiles.Weights}.");
    }

    private bool IsLowercase()
    {
        var path = File(ModelFiles.TokenizerConfig);
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
