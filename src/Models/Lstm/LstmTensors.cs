namespace Serving.Models.Lstm;

/// <summary>Names and shapes of an LSTM's tensors, as PyTorch's modules have them.</summary>
public static class LstmTensors
{
    public const string TokenEmbeddings = "embedding.weight";
    public const string Head = "lm_head.weight";

    /// <summary>What makes the first layer's cell state of a latent.</summary>
    public const string LatentToCell = "latent_to_cell";

    /// <summary>What makes a latent's mean and the logarithm of its variance, of a text's last state.</summary>
    public const string Posterior = "posterior";

    public const string EncoderEmbeddings = "encoder.embedding.weight";

    /// <summary>The encoder, one layer.</summary>
    public static (string Input, string Recurrent, string InputBias, string RecurrentBias) Encoder { get; } = (
        "encoder.lstm.weight_ih_l0", "encoder.lstm.weight_hh_l0", "encoder.lstm.bias_ih_l0", "encoder.lstm.bias_hh_l0");

    /// <summary>Of inputs: input, forget, cell and output gate, one behind the other.</summary>
    public static string InputWeight(int layer) => $"lstm.weight_ih_l{layer}";

    /// <summary>Of the hidden state, alike.</summary>
    public static string RecurrentWeight(int layer) => $"lstm.weight_hh_l{layer}";

    public static string InputBias(int layer) => $"lstm.bias_ih_l{layer}";

    public static string RecurrentBias(int layer) => $"lstm.bias_hh_l{layer}";

    /// <summary>All of a layer.</summary>
    public static (string Input, string Recurrent, string InputBias, string RecurrentBias) Layer(int layer) =>
        (InputWeight(layer), RecurrentWeight(layer), InputBias(layer), RecurrentBias(layer));

    /// <summary>Every parameter: matrices are [outFeatures, inFeatures], vectors have one row.</summary>
    public static IEnumerable<(string Name, int Rows, int Columns)> Parameters(LstmConfig config)
    {
        var gates = 4 * config.Hidden;
        yield return (TokenEmbeddings, config.Vocab, config.Embedding);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            yield return (InputWeight(layer), gates, Features(config, layer));
            yield return (RecurrentWeight(layer), gates, config.Hidden);
            yield return (InputBias(layer), 1, gates);
            yield return (RecurrentBias(layer), 1, gates);
        }

        if (!config.TiesEmbeddings)
            yield return (Head, config.Vocab, config.Hidden);
        if (config.Latent == 0)
            yield break;
        yield return (LatentToCell + ".weight", config.Hidden, config.Latent);
        yield return (LatentToCell + ".bias", 1, config.Hidden);
        yield return (EncoderEmbeddings, config.Vocab, config.Embedding);
        yield return (Encoder.Input, gates, config.Embedding);
        yield return (Encoder.Recurrent, gates, config.Hidden);
        yield return (Encoder.InputBias, 1, gates);
        yield return (Encoder.RecurrentBias, 1, gates);
        yield return (Posterior + ".weight", 2 * config.Latent, config.Hidden);
        yield return (Posterior + ".bias", 1, 2 * config.Latent);
    }

    /// <summary>What a layer reads: the first embeddings, and the latent beside them.</summary>
    public static int Features(LstmConfig config, int layer) =>
        layer == 0 ? config.Embedding + config.Latent : config.Hidden;

    internal static bool IsVector(string name) => name.Contains("bias", StringComparison.Ordinal);
}
