using System.Text.Json.Nodes;
using Serving.Models;
using Serving.Models.Gpt2;
using Serving.Models.Safetensors;
using Serving.Text.Trainers;

namespace Serving.Testing;

/// <summary>
/// A small GPT-2 with random weights, and a tokenizer of all bytes and a few words. The model has an id more than the
/// tokenizer.
/// </summary>
internal static class RandomGpt2
{
    public const int Positions = 64;
    private const int Hidden = 32;
    private const int Inner = 64;
    private const int Layers = 2;

    /// <param name="seed">Another one is another model.</param>
    /// <param name="change">Changes config.json.</param>
    public static Gpt2Folder Write(string folder, int seed = 1, Action<JsonObject>? change = null)
    {
        Directory.CreateDirectory(folder);
        var tokenizer = BpeTrainer.Train(
            ["the cat sat on the mat and the dog sat on the cat"], new() { VocabularySize = 270, MinPairCount = 2 });
        tokenizer.Save(
            Path.Combine(folder, ModelFiles.BpeVocabulary), Path.Combine(folder, ModelFiles.BpeMerges));
        var vocab = tokenizer.Vocabulary.Count + 1;
        var config = new JsonObject
        {
            ["model_type"] = "gpt2",
            ["vocab_size"] = vocab,
            ["n_embd"] = Hidden,
            ["n_layer"] = Layers,
            ["n_head"] = 4,
            ["n_inner"] = Inner,
            ["n_positions"] = Positions,
            ["eos_token_id"] = vocab - 2
        };
        change?.Invoke(config);
        File.WriteAllText(Path.Combine(folder, ModelFiles.Config), config.ToJsonString());
        using var stream = File.Create(Path.Combine(folder, ModelFiles.Weights));
        Weights(new Random(seed), vocab).Write(stream);
        return new(folder);
    }

    private static SafetensorsWriter Weights(Random random, int vocab)
    {
        var writer = new SafetensorsWriter();
        Add("wte.weight", vocab, Hidden);
        Add("wpe.weight", Positions, Hidden);
        for (var layer = 0; layer < Layers; layer++)
        {
            AddNorm($"h.{layer}.ln_1");
            AddDense($"h.{layer}.attn.c_attn", Hidden, 3 * Hidden);
            AddDense($"h.{layer}.attn.c_proj", Hidden, Hidden);
            AddNorm($"h.{layer}.ln_2");
            AddDense($"h.{layer}.mlp.c_fc", Hidden, Inner);
            AddDense($"h.{layer}.mlp.c_proj", Inner, Hidden);
        }

        AddNorm("ln_f");
        return writer;

        void AddDense(string name, int inFeatures, int outFeatures)
        {
            Add($"{name}.weight", inFeatures, outFeatures);
            Add($"{name}.bias", outFeatures);
        }

        void AddNorm(string name)
        {
            writer.Add($"{name}.weight", [Hidden], Enumerable.Repeat(1f, Hidden).ToArray());
            Add($"{name}.bias", Hidden);
        }

        void Add(string name, params long[] shape) => writer.Add(
            name, shape,
            Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b))
                .Select(_ => (random.NextSingle() - 0.5f) * 0.6f).ToArray());
    }
}
