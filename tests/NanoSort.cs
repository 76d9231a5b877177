using System.Text.Json.Nodes;
using Serving.Models;
using Serving.Models.Safetensors;

namespace Serving.Testing;

/// <summary>A trained GPT-2 of minGPT's that sorts six letters of an alphabet of three; it has no tokenizer.</summary>
internal static class NanoSort
{
    public const string Model = "fixtures/gpt-nano-sort/gpt-nano-sort.safetensors";
    public const int Positions = 11;
    public const int Hidden = 48;
    public const int Heads = 3;

    /// <summary>minGPT's file as a Hugging Face folder: its Conv1D keeps matrices the other way round.</summary>
    public static void Write(string folder)
    {
        using var model = SafetensorsFile.Open(SharedFiles.At(Model));
        var writer = new SafetensorsWriter();
        foreach (var entry in model.Entries.Values)
        {
            var values = new float[entry.ByteCount / sizeof(float)];
            model.ReadFloats(entry.Name, 0, values);
            long[] shape = [.. entry.Shape];
            if (entry.Name.EndsWith(".weight", StringComparison.Ordinal)
                && entry.Name.Contains(".c_", StringComparison.Ordinal))
            {
                var (rows, columns) = ((int)shape[0], (int)shape[1]);
                values = [.. Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)])];
                shape = [columns, rows];
            }

            writer.Add(entry.Name, shape, values);
        }

        using (var stream = File.Create(Path.Combine(folder, ModelFiles.Weights)))
            writer.Write(stream);
        File.WriteAllText(Path.Combine(folder, ModelFiles.Config), new JsonObject
        {
            ["model_type"] = "gpt2",
            ["vocab_size"] = 3,
            ["n_embd"] = Hidden,
            ["n_layer"] = 3,
            ["n_head"] = Heads,
            ["n_positions"] = Positions,
            ["tie_word_embeddings"] = false
        }.ToJsonString());
    }
}
