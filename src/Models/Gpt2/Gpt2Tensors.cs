namespace Serving.Models.Gpt2;

/// <summary>Names and shapes of GPT-2's tensors, without the prefix "transformer.".</summary>
public static class Gpt2Tensors
{
    public const string TokenEmbeddings = "wte.weight";
    public const string PositionEmbeddings = "wpe.weight";
    public const string FinalNorm = "ln_f";
    public const string Head = "lm_head.weight";

    internal const string Prefix = "transformer.";

    /// <summary>Behind the name of a layer's norm: before attention, before the feed-forward layer.</summary>
    public static string AttentionNorm(int layer) => $"h.{layer}.ln_1";

    public static string FeedForwardNorm(int layer) => $"h.{layer}.ln_2";

    /// <summary>Queries, keys and values, one behind the other.</summary>
    public static string Attention(int layer) => $"h.{layer}.attn.c_attn";

    public static string AttentionOutput(int layer) => $"h.{layer}.attn.c_proj";

    public static string Intermediate(int layer) => $"h.{layer}.mlp.c_fc";

    public static string Output(int layer) => $"h.{layer}.mlp.c_proj";

    /// <summary>Every parameter as the decoder has it: matrices are [outFeatures, inFeatures].</summary>
    public static IEnumerable<(string Name, int Rows, int Columns)> Parameters(Gpt2Config config)
    {
        var hidden = config.Hidden;
        yield return (TokenEmbeddings, config.Vocab, hidden);
        yield return (PositionEmbeddings, config.MaxPositions, hidden);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            (string Name, int Rows, int Columns)[] matrices =
            [
                (Attention(layer), 3 * hidden, hidden), (AttentionOutput(layer), hidden, hidden),
                (Intermediate(layer), config.Inner, hidden), (Output(layer), hidden, config.Inner)
            ];
            foreach (var (name, rows, columns) in matrices)
            {
                yield return (name + ".weight", rows, columns);
                yield return (name + ".bias", 1, rows);
            }

            foreach (var name in (string[])[AttentionNorm(layer), FeedForwardNorm(layer)])
            {
                yield return (name + ".weight", 1, hidden);
                yield return (name + ".bias", 1, hidden);
            }
        }

        yield return (FinalNorm + ".weight", 1, hidden);
        yield return (FinalNorm + ".bias", 1, hidden);
        if (!config.TiesEmbeddings)
            yield return (Head, config.Vocab, hidden);
    }

    internal static bool IsVector(string name) =>
        name.EndsWith(".bias", StringComparison.Ordinal) || name.Contains("ln_", StringComparison.Ordinal);

    /// <summary>Whether files have a matrix as [inFeatures, outFeatures], as Hugging Face's Conv1D keeps it.</summary>
    internal static bool IsTransposed(string name) =>
        name.EndsWith(".weight", StringComparison.Ordinal) && name.Contains(".c_", StringComparison.Ordinal);
}
