using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>A BERT model as Hugging Face folders hold it: config.json, vocab.txt, model.safetensors.</summary>
/// <remarks>docs/models.md says which files and settings are read, and which are refused.</remarks>
public sealed class BertFolder : IModelFolder
{
    /// <summary>Its model_type.</summary>
    public const string Kind = "bert";

    /// <summary>Names a folder; nothing is read yet.</summary>
    public BertFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Reads vocab.txt or tokenizer.json, and the settings beside it.</summary>
    /// <exception cref="ModelFileException">
    /// A file is missing or unsound, a setting is one that does not run here, or there are tokens without weights.
    /// </exception>
    public BertTokenizer LoadTokenizer()
    {
        var config = BertConfig.Load(File(ModelFiles.Config));
        var tokenizer = TokenizerFiles.Load(Path);
        TokenizerFiles.ThrowUnlessTokensFit(Path, tokenizer.Vocabulary.Count, config.Vocab);
        return tokenizer;
    }

    /// <summary>Reads config.json, the tokenizer and the weights.</summary>
    /// <param name="format">How weight matrices are kept in memory.</param>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public BertEncoder LoadEncoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32)
    {
        using var weights = OpenWeights(out var config);
        return BertEncoder.Load(backend, config, new CheckpointParameters(weights), format, LoadTokenizer());
    }

    /// <summary>Reads config.json, and the names of the weights.</summary>
    /// <exception cref="ModelFileException">See <see cref="OpenWeights()"/>.</exception>
    public BertConfig LoadConfig()
    {
        using var weights = OpenWeights(out var config);
        return config;
    }

    public ModelShape ReadShape() => BertConfig.Load(File(ModelFiles.Config)).Shape;

    public BackboneDigest ReadDigest()
    {
        using var weights = OpenWeights(out var config);
        return BertBackbone.Digest(
            BertDigest.Read(config, new CheckpointParameters(weights)), config, LoadTokenizer());
    }

    /// <summary>Maps the weights.</summary>
    /// <exception cref="ModelFileException">
    /// They are missing, a pickle, damaged, or have a part that config.json says nothing of.
    /// </exception>
    public WeightFiles OpenWeights() => OpenWeights(out _);

    private WeightFiles OpenWeights(out BertConfig config)
    {
        config = BertConfig.Load(File(ModelFiles.Config));
        var weights = ModelWeights.Open(Path, ModelFiles.Needed);
        try
        {
            config = config with { HasPooler = CheckpointNames.HavePooler(weights) };
            CheckpointNames.ThrowUnlessKnown(config, weights);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private string File(string name) => System.IO.Path.Combine(Path, name);
}
