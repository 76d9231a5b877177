using System.Globalization;
using Serving.Models.Decoders;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Models.Tokenizers;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Models.Lstm;

/// <summary>A language model of LSTM layers, in a folder as other decoders have it.</summary>
/// <param name="path">Nothing is read yet.</param>
public sealed class LstmFolder(string path) : DecoderFolder(path)
{
    /// <summary>Its model_type.</summary>
    public const string Kind = "lstm";

    public override LstmConfig LoadConfig() => LstmConfig.Load(File(ModelFiles.Config));

    public override LstmDecoder LoadDecoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32)
    {
        var config = LoadConfig();
        if (config.Latent > 0)
        {
            throw new ModelFileException(
                $"{Path} is an autoencoder: its texts follow from latents, and it does not run as a language model.");
        }

        using var weights = OpenWeights(out var parameters);
        return LstmDecoder.Load(backend, config, parameters, format);
    }

    public override WeightFiles OpenWeights(out IParameterSource parameters)
    {
        var config = LoadConfig();
        var weights = ModelWeights.Open(Path, ModelFiles.NeededByBpe);
        try
        {
            parameters = new PlainCheckpoint(
                weights, LstmTensors.Parameters(config), LstmTensors.IsVector, $"an LSTM of {config.Layers} layers");
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes config.json, tokenizer.json, tokenizer_config.json and model.safetensors into a new folder.
    /// </summary>
    /// <param name="format">How weights are kept in the file.</param>
    /// <param name="files">Where to write; null for the disk.</param>
    /// <exception cref="IOException">The folder is there already, or can't be written.</exception>
    public static void Write(
        string folder,
        LstmConfig config,
        BpeTokenizer tokenizer,
        IParameterSource weights,
        WeightFormat format = WeightFormat.Float32,
        IFileSystem? files = null)
    {
        var written = new NewModelFolder(folder, files);
        PlainCheckpoint.Write(written, LstmTensors.Parameters(config), LstmTensors.IsVector, weights, format);
        written.Write(ModelFiles.Tokenizer, file => BpeFiles.Write(tokenizer, file));
        written.Write(ModelFiles.TokenizerConfig, DecoderFiles.TokenizerConfig(config, BpeTrainer.EndOfText));
        written.Write(ModelFiles.Config, config.ToJson());
        written.Flush();
    }

    protected override IEnumerable<(string Name, int Rows, int Columns)> Parameters(DecoderConfig config) =>
        LstmTensors.Parameters((LstmConfig)config);

    protected override string Describe(DecoderConfig config) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Kind} {config.Vocab} {((LstmConfig)config).Embedding} {config.Hidden} {config.Layers} {config.MaxPositions} "
        + $"{((LstmConfig)config).Latent} {config.TiesEmbeddings} {config.BeginToken} {config.EndToken}\n");
}
