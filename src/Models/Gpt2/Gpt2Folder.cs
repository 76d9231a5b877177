using System.Globalization;
using System.Text;
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
        if (tokenizer.Vocabulary.Count > config.Vocab)
        {
            throw new ModelFileException(
                $"{Path}: the tokenizer has {tokenizer.Vocabulary.Count} tokens, and vocab_size in {ModelFiles.Config} "
                + $"is {config.Vocab}; as many or fewer tokens are needed. The files don't belong together.");
        }

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

    public ModelShape ReadShape() => LoadConfig().Shape;

    public BackboneDigest ReadDigest()
    {
        using var weights = OpenWeights(out var config, out var parameters);
        return new(
            Bert.ParameterDigest.Of(Gpt2Tensors.Parameters(config), parameters),
            BackboneDigest.Hash(Describe(config)),
            BackboneDigest.Hash(Describe(LoadTokenizer())));
    }

    private static string Describe(Gpt2Config config) => string.Create(
        CultureInfo.InvariantCulture,
        $"gpt2 {config.Activation} {config.Vocab} {config.Hidden} {config.Layers} {config.Heads} {config.Inner} "
        + $"{config.MaxPositions} {config.TiesEmbeddings} {config.EndToken} "
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
        if (ModelFiles.IsThere(File(ModelFiles.Adapter)))
        {
            throw new ModelFileException(
                $"{File(ModelFiles.Adapter)}: adapters are not added to a model's weights here. Merge it with peft's "
                + "merge_and_unload and save the model.");
        }

        var weights = OpenFiles();
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

    private WeightFiles OpenFiles()
    {
        var path = File(ModelFiles.Weights);
        if (ModelFiles.IsThere(path))
            return WeightFiles.Open(path);
        if (ModelFiles.IsThere(File(ModelFiles.WeightIndex)))
            return WeightFiles.OpenIndexed(File(ModelFiles.WeightIndex));
        throw new ModelFileException(
            OtherWeights.Describe(Path) ?? $"{path} is missing; a GPT-2 has its weights there.");
    }

    private string File(string name) => System.IO.Path.Combine(Path, name);
}
