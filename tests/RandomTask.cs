using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;

namespace Serving.Testing;

/// <summary>Task versions with random masks and heads; another seed is another version.</summary>
internal static class RandomTask
{
    /// <param name="parent">Gets a folder that is named after the version.</param>
    /// <returns>The version.</returns>
    public static string Write(
        string parent,
        BertConfig config,
        BackboneDigest backbone,
        int seed,
        int labels = 2,
        TextInputs inputs = TextInputs.Text,
        float headScale = 1f,
        int firstLayer = 1,
        bool knowsWeightsAlone = false,
        Pooling? pooling = null)
    {
        var random = new Random(seed);
        var writer = new VersionWriter();
        foreach (var (name, rows, columns) in BertTensors.Maskable(config))
        {
            if (name.Split('.') is ["encoder", "layer", var layer, ..] && int.Parse(layer) < firstLayer)
                continue;
            var bits = new byte[BitMask.ByteCount(rows, columns)];
            random.NextBytes(bits);
            writer.AddMask(name, rows, columns, bits);
        }

        float[] weight =
            [.. Enumerable.Range(0, labels * config.Hidden).Select(_ => (random.NextSingle() + 0.1f) * headScale)];
        writer.SetHead(weight, new float[labels]);
        return writer.Write(parent, new()
        {
            Format = VersionManifest.CurrentFormat,
            Labels = [.. Enumerable.Range(0, labels).Select(i => $"label-{i}")],
            Inputs = inputs,
            Pooling = pooling ?? config.DefaultPooling,
            Backbone = knowsWeightsAlone ? backbone.Weights : backbone.Value,
            BackboneParts = knowsWeightsAlone ? null : backbone,
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        });
    }
}
