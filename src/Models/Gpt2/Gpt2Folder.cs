using System.Globalization;
using System.Text;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Tensors;
using Serving.Text.Bpe;

namespace Serving.Models.Gpt2;

/// <summary>A GPT-2 as Hugging Face folders hold it: config.json, safetensors, and a byte-level BPE.</summary>
public sealed class Gpt2Folder : IModelFolder
{
    /// <summary>Its model_type.</summary>
    public const string Kind = "gpt2";

    /// <summary>Names a folder; nothing is read yet.</summary>
    public Gpt2Folder(string path) => Path = path;

    public string Path { get; }

    /// <summary>Reads tokenizer.json, or vocab.json and merges.txt.</summary>
    /// <exception cref="ModelFileException">
    /// A file is missing or unsound, a setting is one that does not run here, or there are tokens without weights.
    /// </exception>
    public BpeTokenizer LoadTokenizer()
    {
        var config = LoadConfig();
        var tokenizer = BpeFiles.Load(Path);
        TokenizerFiles.ThrowUnlessTokensFit(Path, tokenizer.Vocabulary.Count, config.Vocab);
        return tokenizer;
    }

    /// <summary>Reads config.json and the weights.</summary>
    /// <param name="format">How weight matrices are kept in memory.</param>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public Gpt2Decoder LoadDecoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32)
    {
        using var weights = OpenWeights(out var config, out var parameters);
        return Gpt2Decoder.Load(backend, config, parameters, format);
    }

    /// <summary>Reads config.json.</summary>
    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public Gpt2Config LoadConfig() => Gpt2Config.Load(File(ModelFiles.Config));

    /// <summary>Reads generation_config.json, if it is there.</summary>
    /// <exception cref="ModelFileException">A field is unknown or has a value that does not run here.</exception>
    public GenerationDefaults LoadDefaults()
    {
        var path = File(ModelFiles.GenerationConfig);
        return ModelFiles.IsThere(path) ? GenerationDefaults.Load(path) : new();
    }

    public ModelShape ReadShape() => LoadConfig().Shape;

    public BackboneDigest ReadDigest()
    {
        using var weights = OpenWeights(out var config, out var parameters);
        var digest = ParameterDigest.Of(Gpt2Tensors.Parameters(config), parameters);
        _ = LoadDefaults(); // No part of it; a folder whose defaults can't be read is refused.
        return DigestOf(digest, config, LoadTokenizer());
    }

    /// <summary>The digest of a model in memory.</summary>
    public static BackboneDigest DigestOf(Gpt2Decoder decoder, BpeTokenizer tokenizer) =>
        DigestOf(decoder.Digest, decoder.Config, tokenizer);

    private static BackboneDigest DigestOf(string parameters, Gpt2Config config, BpeTokenizer tokenizer) => new(
        parameters, BackboneDigest.Hash(Describe(config)), BackboneDigest.Hash(Describe(tokenizer)));

    private static string Describe(Gpt2Config config) => string.Create(
        CultureInfo.InvariantCulture,
        $"gpt2 {config.Activation} {config.Vocab} {config.Hidden} {config.Layers} {config.Heads} {config.Inner} "
        + $"{config.MaxPositions} {config.TiesEmbeddings} {config.BeginToken} {config.EndToken} "
        + $"{BitConverter.SingleToUInt32Bits(config.LayerNormEpsilon):X8}\n");

    private static string Describe(BpeTokenizer tokenizer)
    {
        var text = new StringBuilder();
        foreach (var token in tokenizer.Vocabulary.Tokens)
            text.Append(token).Append('\n');
        foreach (var (left, right) in tokenizer.Merges)
            text.Append(left).Append(' ').Append(right).Append('\n');
        if (tokenizer.Segmentation != Segmentation.Merges)
            text.Append(tokenizer.Segmentation).Append('\n');
        return text.ToString();
    }

    /// <summary>Opens the weights, one file or several, to be read one by one.</summary>
    /// <param name="parameters">Valid while the files are open.</param>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public WeightFiles OpenWeights(out Gpt2Config config, out Gpt2CheckpointParameters parameters)
    {
        config = LoadConfig();
        var weights = ModelWeights.Open(Path, ModelFiles.NeededByBpe);
        try
        {
            parameters = new(weights);
            parameters.ThrowUnlessKnown(config);
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
