using System.Text.Json.Nodes;
using Serving.Models.Decoders;
using Serving.Models.Json;

namespace Serving.Models.Lstm;

/// <summary>The shape of a language model of LSTM layers (Zaremba et al. 2014, sec. 3).</summary>
public sealed record LstmConfig : DecoderConfig
{
    private const int MostOfASize = 1 << 24; // Far above any model; keeps products of two sizes within a long.

    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "model_type", "architectures", "vocab_size", "embedding_size", "hidden_size", "num_hidden_layers",
        "max_position_embeddings", "tie_word_embeddings", "latent_size", "bos_token_id", "eos_token_id"
    };

    /// <summary>Width of the token embeddings; that of the hidden states where the head is tied to them.</summary>
    public required int Embedding { get; init; }

    /// <summary>
    /// Dimensions of a text's latent, in a variational autoencoder (Bowman et al. 2016); 0 in a language model.
    /// </summary>
    public int Latent { get; init; }

    public override ModelShape Shape => new(LstmFolder.Kind, Layers, Hidden, Heads: 0, Vocab, MaxPositions);

    public override long MultiplyAdds(int tokens, int logitRows)
    {
        long hidden = Hidden;
        var ofLayers = 4 * hidden * (Embedding + Latent + hidden + ((Layers - 1) * 2 * hidden));
        return (tokens * ofLayers) + (logitRows * hidden * Vocab);
    }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="ModelFileException">A field is missing, unknown or has an unsupported value.</exception>
    public static LstmConfig Load(string path)
    {
        var fields = JsonFields.Read(path, "configuration of an LSTM");
        if (fields.IsNull("model_type") || fields.Text("model_type") != LstmFolder.Kind)
            throw fields.Refusal("model_type", $"only '{LstmFolder.Kind}' runs here");
        fields.ThrowUnlessKnown(Known.Contains);
        var config = new LstmConfig
        {
            Vocab = Size("vocab_size"),
            Embedding = Size("embedding_size"),
            Hidden = Size("hidden_size"),
            Layers = Size("num_hidden_layers"),
            MaxPositions = Size("max_position_embeddings"),
            TiesEmbeddings = fields.Flag("tie_word_embeddings") ?? true,
            Latent = fields.Number("latent_size", least: 0, MostOfASize, fallback: 0)
        };
        if (config.TiesEmbeddings && config.Embedding != config.Hidden)
        {
            throw fields.Refusal(
                "embedding_size", $"the head is tied to the embeddings, so it must be hidden_size, {config.Hidden}");
        }

        return config with { BeginToken = Token("bos_token_id"), EndToken = Token("eos_token_id") };

        int Size(string name) => fields.Number(name, least: 1, MostOfASize);

        int? Token(string name) => fields.IsNull(name) ? null : fields.Number(name, 0, config.Vocab - 1);
    }

    internal JsonObject ToJson() => new()
    {
        ["architectures"] = new JsonArray("LstmLMHeadModel"),
        ["model_type"] = LstmFolder.Kind,
        ["vocab_size"] = Vocab,
        ["embedding_size"] = Embedding,
        ["hidden_size"] = Hidden,
        ["num_hidden_layers"] = Layers,
        ["max_position_embeddings"] = MaxPositions,
        ["tie_word_embeddings"] = TiesEmbeddings,
        ["latent_size"] = Latent,
        ["bos_token_id"] = BeginToken,
        ["eos_token_id"] = EndToken
    };
}
