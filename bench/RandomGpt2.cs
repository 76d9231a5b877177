using Serving.Models.Gpt2;
using Serving.Tensors;
using Serving.Text.Bpe;
using Serving.Text.Trainers;

namespace Serving.Bench;

/// <summary>GPT-2 small (Radford et al. 2019, table 2) with random weights.</summary>
internal static class RandomGpt2
{
    public static Gpt2Config Small { get; } = new()
    {
        Vocab = 50_257,
        Hidden = 768,
        Layers = 12,
        Heads = 12,
        Inner = 3072
    };

    public static Gpt2Decoder Load(TensorBackend backend, WeightFormat format) =>
        Gpt2Decoder.Load(backend, Small, new RandomBertWeights(), format);

    /// <summary>A token for each letter; the other ids of the model stand for nothing.</summary>
    public static BpeTokenizer Tokenizer() =>
        BpeTrainer.Train(["abc"], new() { VocabularySize = 257, MinPairCount = 2 });

    /// <summary>A text of so many tokens.</summary>
    public static string Prompt(int tokens, int seed)
    {
        var random = new Random(seed);
        return string.Concat(Enumerable.Range(0, tokens).Select(_ => (char)random.Next('A', 'Z' + 1)));
    }

    /// <summary>Bytes of weights that a step reads: all matrices of layers, and the head.</summary>
    public static long StepBytes(WeightFormat format)
    {
        var (hidden, inner) = ((long)Small.Hidden, (long)Small.Inner);
        return format.Bytes(
            (Small.Layers * ((4 * hidden * hidden) + (2 * hidden * inner))) + (Small.Vocab * hidden));
    }
}
