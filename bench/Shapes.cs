using Serving.Models.Bert;

namespace Serving.Bench;

/// <summary>The sizes of BERT that benchmarks know by name.</summary>
internal static class Shapes
{
    public static readonly string[] Names = ["tiny", "mini", "minilm", "small", "medium", "base"];

    public static BertConfig Bert(string name)
    {
        var (hidden, layers, heads) = name switch
        {
            "tiny" => (128, 2, 2),
            "mini" => (256, 4, 4),
            "minilm" => (384, 6, 12),
            "small" => (512, 4, 8),
            "medium" => (512, 8, 8),
            "base" => (768, 12, 12),
            _ => throw new ArgumentException($"The shape is '{name}'; it must be one of {string.Join(", ", Names)}.")
        };
        return new() { Vocab = 30_522, Hidden = hidden, Layers = layers, Heads = heads, Inner = 4 * hidden };
    }
}
