using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>The shape of a GPT-2 (Radford et al. 2019, sec. 2.3).</summary>
public sealed record Gpt2Config : DecoderConfig
{
    public required int Heads { get; init; }

    /// <summary>Width inside the feed-forward layers.</summary>
    public required int Inner { get; init; }

    public float LayerNormEpsilon { get; init; } = 1e-5f;

    public Activation Activation { get; init; } = Activation.GeluTanh;

    public override ModelShape Shape => new(Gpt2Folder.Kind, Layers, Hidden, Heads, Vocab, MaxPositions);

    public override long MultiplyAdds(int tokens, int logitRows)
    {
        long hidden = Hidden;
        return (Layers * tokens * ((4 * hidden * hidden) + (2 * hidden * Inner))) + (logitRows * hidden * Vocab);
    }

    /// <summary>Reads the config.json of a Hugging Face folder.</summary>
    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public static Gpt2Config Load(string path) => Gpt2ConfigReader.Load(path);
}
