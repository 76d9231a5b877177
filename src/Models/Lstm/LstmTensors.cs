namespace Serving.Models.Lstm;

/// <summary>Names and shapes of an LSTM's tensors, as PyTorch's modules have them.</summary>
public static class LstmTensors
{
    public const string TokenEmbeddings = "embedding.weight";
    public const string Head = "lm_head.weight";

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
            yield return (InputWeight(layer), gates, layer == 0 ? config.Embedding : config.Hidden);
            yield return (RecurrentWeight(layer), gates, config.Hidden);
            yield return (InputBias(layer), 1, gates);
            yield return (RecurrentBias(layer), 1, gates);
        }

        if (!config.TiesEmbeddings)
            yield return (Head, config.Vocab, config.Hidden);
    }

    internal static bool IsVector(string name) => name.Contains("bias", StringComparison.Ordinal);
}
