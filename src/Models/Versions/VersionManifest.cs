using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.Models.Bert;

namespace Serving.Models.Versions;

/// <summary>What a task reads.</summary>
public enum TextInputs
{
    Text,

    /// <summary>Two texts.</summary>
    Pair
}

/// <summary>Where a task version came from.</summary>
/// <param name="Job">The training job; null for one that was made elsewhere.</param>
/// <param name="Data">Digests of the data sets.</param>
/// <param name="Settings">What the job was asked for.</param>
public sealed record VersionLineage(
    string? Job, IReadOnlyList<string> Data, IReadOnlyDictionary<string, JsonElement> Settings);

/// <summary>What a lottery ticket was found in (Chen et al. 2020): masks, and the weights that they are for.</summary>
/// <remarks>
/// The version itself is for a model of its own: what training made of the ticket, with zeros for dropped weights.
/// </remarks>
/// <param name="Weights">Digest of the weights of the backbone that the masks are over.</param>
/// <param name="Step">The step of a training to which weights were rewound; 0 for the backbone's own.</param>
public sealed record TicketOrigin(string Weights, long Step);

/// <summary>The task.json of a task version.</summary>
public sealed record VersionManifest
{
    /// <summary>The version of this format.</summary>
    public const int CurrentFormat = 1;

    /// <summary>
    /// That of versions with masks in <see cref="MaskCode"/>, or with parts that are left out: earlier releases would
    /// not read them right.
    /// </summary>
    public const int SecondFormat = 2;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) }
    };

    public required int Format { get; init; }

    /// <summary>What the head's outputs mean, in their order.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    public required TextInputs Inputs { get; init; }

    /// <summary>What the head sees of a text; versions that don't say it are older than the choice.</summary>
    public Pooling Pooling { get; init; } = Pooling.Pooler;

    /// <summary>Digest of the backbone that the version is for.</summary>
    /// <remarks>In versions without its parts it is that of the weights alone.</remarks>
    public required string Backbone { get; init; }

    /// <summary>What that digest is made of; null in versions that know their backbone by its weights.</summary>
    public BackboneDigest? BackboneParts { get; init; }

    /// <summary>Scores above it became ones (Zhao et al. 2020, sec. 3).</summary>
    public double Threshold { get; init; }

    /// <summary>Where its masks come from; null if they are over the backbone that the version is for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TicketOrigin? Ticket { get; init; }

    /// <summary>Parts of the backbone that are left out; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PrunedParts? Pruned { get; init; }

    /// <summary>How many weights each mask keeps.</summary>
    public required IReadOnlyDictionary<string, long> Kept { get; init; }

    /// <summary>Measured on held-out data.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();

    public VersionLineage? Lineage { get; init; }

    /// <summary>SHA-256 of the version's other files.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <summary>The digest of the weights of the backbone that the version is for.</summary>
    [JsonIgnore]
    public string BackboneWeights => BackboneParts?.Weights ?? Backbone;

    /// <summary>The digest of the weights that the masks are over.</summary>
    [JsonIgnore]
    public string MaskedWeights => Ticket?.Weights ?? BackboneWeights;

    /// <summary>Whether a backbone is the one that it is for, as far as it says.</summary>
    public bool IsFor(BackboneDigest backbone) =>
        string.Equals(Backbone, backbone.Value, StringComparison.OrdinalIgnoreCase)
        || (BackboneParts is null && HasWeights(backbone.Weights));

    /// <summary>Whether it is for these weights, whatever the tokenizer.</summary>
    public bool HasWeights(string weights) =>
        string.Equals(BackboneWeights, weights, StringComparison.OrdinalIgnoreCase);

    /// <summary>What is other than it was in a backbone with the same weights, and what to do.</summary>
    public string Change(BackboneDigest backbone)
    {
        var changed = BackboneParts is null ? "its tokenizer, or its configuration,"
            : BackboneParts.Tokenizer == backbone.Tokenizer ? "its configuration"
            : BackboneParts.Config == backbone.Config ? "its tokenizer"
            : "its tokenizer and configuration";
        return $"the weights are the same, but {changed} has changed since, and answers would be others. Put the "
            + $"former {ModelFiles.Vocabulary}, {ModelFiles.TokenizerConfig}, {ModelFiles.Tokenizer} or "
            + $"{ModelFiles.Config} back, or train the task again";
    }

    /// <exception cref="ModelFileException">It is no manifest of a format that is known.</exception>
    internal static VersionManifest Parse(string path, ReadOnlySpan<byte> json)
    {
        try
        {
            var manifest = JsonSerializer.Deserialize<VersionManifest>(json, Json)
                ?? throw new ModelFileException($"{path} is null; a task manifest is needed.");
            if (manifest.Format is not (CurrentFormat or SecondFormat))
            {
                throw new ModelFileException(
                    $"{path} has format {manifest.Format}; this version reads formats {CurrentFormat} and "
                    + $"{SecondFormat}. Export the task again.");
            }

            if (manifest.Labels.Count < 1
                || manifest.Labels.Distinct(StringComparer.Ordinal).Count() != manifest.Labels.Count)
            {
                throw new ModelFileException(
                    $"{path} has {manifest.Labels.Count} labels; at least one, each once, is needed.");
            }

            if (manifest.BackboneParts is { } parts && parts.Value != manifest.Backbone)
            {
                throw new ModelFileException(
                    $"{path} has the backbone {manifest.Backbone}, and parts of {parts.Value}; it is damaged. Import "
                    + "the task again.");
            }

            return manifest;
        }
        catch (JsonException exception)
        {
            throw new ModelFileException($"{path} is no task manifest: {exception.Message}", exception);
        }
    }

    internal byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Json);
}
