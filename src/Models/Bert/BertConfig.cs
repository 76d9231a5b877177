using System.Text.Json;

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

    public float LayerNormEpsilon { get; init; } = 1e-12f;

    /// <summary>What there is to know without knowing BERT.</summary>
    public ModelShape Shape => new(BertFolder.Kind, Layers, Hidden, Heads, Vocab, MaxPositions);

    /// <summary>Multiply-adds of a forward pass of one sequence, all rows of all layers counted.</summary>
    public long MultiplyAdds(int tokens)
    {
        long hidden = Hidden;
        return Layers * tokens * ((4 * hidden * hidden) + (2 * hidden * Inner) + (2 * tokens * hidden));
    }

    /// <summary>Reads the config.json of a Hugging Face folder.</summary>
    /// <exception cref="ModelFileException">A field is missing or has an unsupported value.</exception>
    public static BertConfig Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            var root = document.RootElement;
            Demand(path, root, "model_type", BertFolder.Kind);
            Demand(path, root, "hidden_act", "gelu");
            Demand(path, root, "position_embedding_type", "absolute");
            var config = new BertConfig
            {
                Vocab = Number(path, root, "vocab_size"),
                Hidden = Number(path, root, "hidden_size"),
                Layers = Number(path, root, "num_hidden_layers"),
                Heads = Number(path, root, "num_attention_heads"),
                Inner = Number(path, root, "intermediate_size"),
                MaxPositions = Number(path, root, "max_position_embeddings", fallback: 512),
                Types = Number(path, root, "type_vocab_size", fallback: 2),
                LayerNormEpsilon = root.TryGetProperty("layer_norm_eps", out var epsilon) ? epsilon.GetSingle() : 1e-12f
            };
            if (config.Hidden % config.Heads != 0)
            {
                throw new ModelFileException(
                    $"{path}: hidden_size {config.Hidden} does not divide into {config.Heads} num_attention_heads.");
            }

            return config;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            throw new ModelFileException($"{path} is no BERT configuration: {exception.Message}", exception);
        }
        catch (IOException exception)
        {
            throw new ModelFileException(
                $"{path} can't be read ({exception.Message}); "
                + $"a model is a folder with {ModelFiles.Config}, {ModelFiles.Vocabulary} and {ModelFiles.Weights}.",
                exception);
        }
    }

    private static void Demand(string path, JsonElement root, string name, string needed)
    {
        if (root.TryGetProperty(name, out var value) && value.GetString() != needed)
            throw new ModelFileException($"{path}: {name} is '{value.GetString()}'; only '{needed}' runs here.");
    }

    private static int Number(string path, JsonElement root, string name, int fallback = 0)
    {
        const int most = 1 << 24; // Far above any model; keeps products of two sizes within a long.
        var number = root.TryGetProperty(name, out var value) ? value.GetInt64() : fallback;
        if (number is <= 0 or > most)
        {
            throw new ModelFileException(
                $"{path}: {name} is {(number == 0 ? "missing" : number)}; 1 to {most} is needed.");
        }

        return (int)number;
    }
}
