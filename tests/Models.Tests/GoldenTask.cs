using Serving.Models.Bert;
using Serving.Models.Versions;

namespace Serving.Models.Tests;

/// <summary>The golden masks and head as a task version.</summary>
internal static class GoldenTask
{
    public static VersionManifest Manifest(BertEncoder encoder) => new()
    {
        Format = VersionManifest.CurrentFormat,
        Labels = ["negative", "neutral", "positive"],
        Inputs = TextInputs.Text,
        Backbone = encoder.Digest,
        Threshold = 0.01,
        Kept = new Dictionary<string, long>(),
        Files = new Dictionary<string, string>(),
        Metrics = new Dictionary<string, double> { ["accuracy"] = 0.875 },
        Lineage = new("job-1", ["abc"], new Dictionary<string, System.Text.Json.JsonElement>())
    };

    /// <returns>The version's folder.</returns>
    public static string Write(string parent, Golden golden, BertEncoder encoder, bool withMasks = true)
    {
        var writer = new VersionWriter();
        foreach (var name in withMasks ? golden.MaskNames : [])
        {
            var (rows, columns) = golden.MaskShape(name);
            writer.AddMask(name, rows, columns, golden.ReadMask(name).ToArray());
        }

        writer.SetHead(golden.Floats("head.weight"), golden.Floats("head.bias"));
        return Path.Combine(parent, writer.Write(parent, Manifest(encoder)));
    }
}
