using System.Globalization;
using Serving.Models.Decoders;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>A GPT-2 as Hugging Face folders hold it: config.json, safetensors, and a byte-level BPE.</summary>
/// <param name="path">Nothing is read yet.</param>
public sealed class Gpt2Folder(string path) : DecoderFolder(path)
{
    /// <summary>Its model_type.</summary>
    public const string Kind = "gpt2";

    public override Gpt2Config LoadConfig() => Gpt2Config.Load(File(ModelFiles.Config));

    public override Gpt2Decoder LoadDecoder(TensorBackend backend, WeightFormat format = WeightFormat.Float32)
    {
        using var weights = OpenWeights(out var parameters);
        return Gpt2Decoder.Load(backend, LoadConfig(), parameters, format);
    }

    public override WeightFiles OpenWeights(out IParameterSource parameters)
    {
        var config = LoadConfig();
        var weights = ModelWeights.Open(Path, ModelFiles.NeededByBpe);
        try
        {
            var checkpoint = new Gpt2CheckpointParameters(weights);
            checkpoint.ThrowUnlessKnown(config);
            parameters = checkpoint;
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    protected override IEnumerable<(string Name, int Rows, int Columns)> Parameters(DecoderConfig config) =>
        Gpt2Tensors.Parameters((Gpt2Config)config);

    protected override string Describe(DecoderConfig config) => Describe((Gpt2Config)config);

    private static string Describe(Gpt2Config config) => string.Create(
        CultureInfo.InvariantCulture,
        $"gpt2 {config.Activation} {config.Vocab} {config.Hidden} {config.Layers} {config.Heads} {config.Inner} "
        + $"{config.MaxPositions} {config.TiesEmbeddings} {config.BeginToken} {config.EndToken} "
        + $"{BitConverter.SingleToUInt32Bits(config.LayerNormEpsilon):X8}\n");
}
