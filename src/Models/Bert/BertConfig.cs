namespace Serving.Models.Bert;

/// <summary>The shape of a BERT encoder (Devlin et al. 2019, sec. 3).</summary>
public sealed record BertConfig
{
    public required int Vocab { get; init; }

    public required int Hidden { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    /// <summary>Width inside the feed-forward layers.</summary>
    public required int Inner { get; init; }

    /// <summary>The most tokens of a sequence.</summary>
    public int MaxPositions { get; init; } = 512;

    public int Types { get; init; } = 2;

    /// <summary>Whether it tells the two texts of a pair apart.</summary>
    public bool ReadsPairs => Types >= 2;

    public float LayerNormEpsilon { get; init; } = 1e-12f;

    /// <summary>Whether it has <see cref="Pooling.Pooler"/>. The weights say it, config.json does not.</summary>
    public bool HasPooler { get; init; } = true;

    /// <summary>What a new task's head sees if nothing else is asked for.</summary>
    public Pooling DefaultPooling => HasPooler ? Pooling.Pooler : Pooling.Mean;

    /// <summary>What there is to know without knowing BERT.</summary>
    public ModelShape Shape => new(BertFolder.Kind, Layers, Hidden, Heads, Vocab, MaxPositions);

    /// <summary>Multiply-adds of a forward pass of one sequence, all rows of all layers counted.</summary>
    public long MultiplyAdds(int tokens)
    {
        long hidden = Hidden;
        return Layers * tokens * ((4 * hidden * hidden) + (2 * hidden * Inner) + (2 * tokens * hidden));
    }

    /// <summary>Reads the config.json of a Hugging Face folder, which is silent about the pooler.</summary>
    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public static BertConfig Load(string path) => BertConfigReader.Load(path);
}
