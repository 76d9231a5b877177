using System.Text;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Tensors;
using Serving.Text.Bpe;

namespace Serving.Models.Decoders;

/// <summary>A decoder's folder: config.json, safetensors, and a byte-level BPE.</summary>
/// <param name="path">Nothing is read yet.</param>
public abstract class DecoderFolder(string path) : IModelFolder
{
    public string Path { get; } = path;

    /// <summary>Reads config.json.</summary>
    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public abstract DecoderConfig LoadConfig();

    /// <summary>Reads config.json and the weights.</summary>
    /// <param name="format">How weight matrices are kept in memory.</param>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public abstract Decoder LoadDecoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32);

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

    /// <summary>Reads generation_config.json, if it is there.</summary>
    /// <exception cref="ModelFileException">A field is unknown or has a value that does not run here.</exception>
    public GenerationDefaults LoadDefaults()
    {
        var file = File(ModelFiles.GenerationConfig);
        return ModelFiles.IsThere(file) ? GenerationDefaults.Load(file) : new();
    }

    public ModelShape ReadShape() => LoadConfig().Shape;

    public BackboneDigest ReadDigest()
    {
        var config = LoadConfig();
        using var weights = OpenWeights(out var parameters);
        var digest = ParameterDigest.Of(Parameters(config), parameters);
        _ = LoadDefaults(); // No part of it; a folder whose defaults can't be read is refused.
        return DigestOf(digest, config, LoadTokenizer());
    }

    /// <summary>The digest of the folder's model in memory.</summary>
    public BackboneDigest DigestOf(Decoder decoder, BpeTokenizer tokenizer) =>
        DigestOf(decoder.Digest, decoder.Config, tokenizer);

    /// <summary>Opens the weights, one file or several, to be read one by one.</summary>
    /// <param name="parameters">Valid while the files are open.</param>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public abstract WeightFiles OpenWeights(out IParameterSource parameters);

    /// <summary>Every parameter, in the order of the digest.</summary>
    protected abstract IEnumerable<(string Name, int Rows, int Columns)> Parameters(DecoderConfig config);

    /// <summary>All of a configuration that answers depend on.</summary>
    protected abstract string Describe(DecoderConfig config);

    protected string File(string name) => System.IO.Path.Combine(Path, name);

    private BackboneDigest DigestOf(string parameters, DecoderConfig config, BpeTokenizer tokenizer) => new(
        parameters, BackboneDigest.Hash(Describe(config)), BackboneDigest.Hash(Describe(tokenizer)));

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
}
