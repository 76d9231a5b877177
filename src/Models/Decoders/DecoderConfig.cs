namespace Serving.Models.Decoders;

/// <summary>What every kind of decoder has in its config.json.</summary>
public abstract record DecoderConfig
{
    public required int Vocab { get; init; }

    public required int Hidden { get; init; }

    public required int Layers { get; init; }

    /// <summary>The most tokens of a sequence.</summary>
    public int MaxPositions { get; init; } = 1024;

    /// <summary>Whether the head's weights are the token embeddings.</summary>
    public bool TiesEmbeddings { get; init; } = true;

    /// <summary>The token that ends a text; null if config.json names none.</summary>
    public int? EndToken { get; init; }

    /// <summary>The token that a text begins with; null if config.json names none.</summary>
    public int? BeginToken { get; init; }

    /// <summary>What there is to know without knowing the kind.</summary>
    public abstract ModelShape Shape { get; }

    /// <summary>Multiply-adds of a forward pass, those of attention aside.</summary>
    /// <param name="logitRows">How many of the tokens get logits.</param>
    public abstract long MultiplyAdds(int tokens, int logitRows);
}
