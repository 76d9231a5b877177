using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;

namespace Serving.Training.Recipes;

/// <summary>A classifier that was trained, to be written as a task version among a job's results.</summary>
internal sealed record TaskArtifact
{
    /// <summary>Its digest.</summary>
    public required string Backbone { get; init; }

    /// <summary>Null where the digest is that of the weights alone.</summary>
    public required BackboneDigest? BackboneParts { get; init; }

    /// <summary>In the order of the head's outputs; empty for regression.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    public required bool HasPairs { get; init; }

    public required Pooling Pooling { get; init; }

    /// <summary>Scores above it became ones; 0 where none did.</summary>
    public double Threshold { get; init; }

    /// <summary>Of the masks; null if they are over the backbone.</summary>
    public TicketOrigin? Ticket { get; init; }

    /// <summary>Parts of the backbone that are left out; null for none.</summary>
    public PrunedParts? Pruned { get; init; }

    public required IEnumerable<(string Name, int Rows, int Columns, ReadOnlyMemory<byte> Bits)> Masks { get; init; }

    /// <summary>Weight [labels, hidden] and bias [labels].</summary>
    public required (float[] Weight, float[] Bias) Head { get; init; }

    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>Digests of the datasets.</summary>
    public required IReadOnlyList<string> Data { get; init; }

    /// <returns>The version's folder.</returns>
    /// <param name="recipe">What the job was asked for.</param>
    public string Write(RecipeContext context, Recipe recipe)
    {
        var writer = new VersionWriter();
        foreach (var (name, rows, columns, bits) in Masks)
            writer.AddMask(name, rows, columns, bits);
        writer.SetHead(Head.Weight, Head.Bias);
        var parent = context.NewArtifact("task");
        var version = writer.Write(parent, new()
        {
            Format = VersionManifest.CurrentFormat,
            Labels = Labels.Count == 0 ? ["value"] : Labels,
            Inputs = HasPairs ? TextInputs.Pair : TextInputs.Text,
            Pooling = Pooling,
            Backbone = Backbone,
            BackboneParts = BackboneParts,
            Threshold = Threshold,
            Ticket = Ticket,
            Pruned = Pruned,
            Metrics = Metrics,
            Lineage = new(context.Job, Data, recipe.ToDictionary()),
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        });
        return Path.Combine(parent, version);
    }
}
