namespace Serving.Models.Bert;

/// <summary>A matrix of the encoder that tasks may mask.</summary>
public enum BertMatrix
{
    Query,
    Key,
    Value,

    /// <summary>Behind the attention heads.</summary>
    AttentionOutput,

    /// <summary>Into the feed-forward layer.</summary>
    Intermediate,

    /// <summary>Out of the feed-forward layer.</summary>
    Output
}

/// <summary>Names and shapes of BERT's tensors, as checkpoints have them, without the prefix "bert.".</summary>
public static class BertTensors
{
    public const string WordEmbeddings = "embeddings.word_embeddings.weight";
    public const string PositionEmbeddings = "embeddings.position_embeddings.weight";
    public const string TypeEmbeddings = "embeddings.token_type_embeddings.weight";
    public const string EmbeddingNorm = "embeddings.LayerNorm";
    public const string Pooler = "pooler.dense";
    public const string PoolerWeight = "pooler.dense.weight";
    public const string PoolerBias = "pooler.dense.bias";
    public const string ClassifierWeight = "classifier.weight";
    public const string ClassifierBias = "classifier.bias";

    private static readonly string[] MatrixNames =
    [
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
        "intermediate.dense", "output.dense"
    ];

    /// <summary>A module's name: its parameters are this and ".weight" or ".bias".</summary>
    public static string Module(int layer, BertMatrix matrix) => $"encoder.layer.{layer}.{MatrixNames[(int)matrix]}";

    public static string Weight(int layer, BertMatrix matrix) => Module(layer, matrix) + ".weight";

    public static string AttentionNorm(int layer) => $"encoder.layer.{layer}.attention.output.LayerNorm";

    public static string OutputNorm(int layer) => $"encoder.layer.{layer}.output.LayerNorm";

    /// <summary>What a parameter may be called in a checkpoint.</summary>
    internal static string[] Spellings(string name)
    {
        var legacy = name.Contains("LayerNorm", StringComparison.Ordinal)
            ? name.Replace(".weight", ".gamma", StringComparison.Ordinal)
                .Replace(".bias", ".beta", StringComparison.Ordinal)
            : name;
        return [name, "bert." + name, legacy, "bert." + legacy];
    }

    /// <summary>The fields of config.json that say how large a parameter is.</summary>
    internal static string SizeFields(string name) => name switch
    {
        WordEmbeddings => "vocab_size and hidden_size",
        PositionEmbeddings => "max_position_embeddings and hidden_size",
        TypeEmbeddings => "type_vocab_size and hidden_size",
        _ when name.Contains(".intermediate.", StringComparison.Ordinal)
            || (name.Contains(".output.dense.weight", StringComparison.Ordinal)
                && !name.Contains(".attention.", StringComparison.Ordinal)) => "intermediate_size and hidden_size",
        _ => "hidden_size"
    };

    /// <summary>[outFeatures, inFeatures] of a matrix.</summary>
    public static (int Rows, int Columns) Shape(BertConfig config, BertMatrix matrix) => matrix switch
    {
        BertMatrix.Intermediate => (config.Inner, config.Hidden),
        BertMatrix.Output => (config.Hidden, config.Inner),
        _ => (config.Hidden, config.Hidden)
    };

    /// <summary>All matrices that a task may mask, apart from its own head, with their shapes.</summary>
    public static IEnumerable<(string Name, int Rows, int Columns)> Maskable(BertConfig config)
    {
        for (var layer = 0; layer < config.Layers; layer++)
        {
            foreach (var matrix in Enum.GetValues<BertMatrix>())
            {
                var (rows, columns) = Shape(config, matrix);
                yield return (Weight(layer, matrix), rows, columns);
            }
        }

        if (config.HasPooler)
            yield return (PoolerWeight, config.Hidden, config.Hidden);
    }
}
