using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>The shape of a GPT-2 (Radford et al. 2019, sec. 2.3).</summary>
public sealed record Gpt2Config
{
    public required int Vocab { get; init; }

    public required int Hidden { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    /// <summary>Width inside the feed-forward layers.</summary>
    public required int Inner { get; init; }

    /// <summary>The most tokens of a sequence.</summary>
    public int MaxPositions { get; init; } = 1024;

    public float LayerNormEpsilon { get; init; } = 1e-5f;

    public Activation Activation { get; init; } = Activation.GeluTanh;

    /// <summary>Whether the head's weights are the token embeddings.</summary>
    public bool TiesEmbeddings { get; init; } = true;

    /// <summary>The token that ends a text; null if config.json names none.</summary>
    public int? EndToken { get; init; }

    /// <summary>The token that a text begins with; null if config.json names none.</summary>
    public int? BeginToken { get; init; }

    /// <summary>What there is to know without knowing GPT-2.</summary>
    public ModelShape Shape => new(Gpt2Folder.Kind, Layers, Hidden, Heads, Vocab, MaxPositions);

    /// <summary>Multiply-adds of a forward pass, those of attention aside.</summary>
    /// <param name="logitRows">How many of the tokens get logits.</param>
    public long MultiplyAdds(int tokens, int logitRows)
    {
        long hidden = Hidden;
        return (Layers * tokens * ((4 * hidden * hidden) + (2 * hidden * Inner))) + (logitRows * hidden * Vocab);
    }

    /// <summary>Reads the config.json of a Hugging Face folder.</summary>
    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public static Gpt2Config Load(string path) => Gpt2ConfigReader.Load(path);
}
