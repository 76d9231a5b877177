using System.Text.Json;
using System.Text.Json.Serialization;

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

/// <summary>The task.json of a task version.</summary>
public sealed record VersionManifest
{
    /// <summary>The version of this format.</summary>
    public const int CurrentFormat = 1;

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

    /// <summary>Digest of the encoder that the masks are for.</summary>
    public required string Backbone { get; init; }

    /// <summary>Scores above it became ones (Zhao et al. 2020, sec. 3).</summary>
    public double Threshold { get; init; }

    /// <summary>How many weights each mask keeps.</summary>
    public required IReadOnlyDictionary<string, long> Kept { get; init; }

    /// <summary>Measured on held-out data.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();

    public VersionLineage? Lineage { get; init; }

    /// <summary>SHA-256 of the version's other files.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <exception cref="ModelFileException">It is no manifest of a format that is known.</exception>
    internal static VersionManifest Parse(string path, ReadOnlySpan<byte> json)
    {
        try
        {
            var manifest = JsonSerializer.Deserialize<VersionManifest>(json, Json)
                ?? throw new ModelFileException($"{path} is null; a task manifest is needed.");
            if (manifest.Format != CurrentFormat)
            {
                throw new ModelFileException(
                    $"{path} has format {manifest.Format}; this version reads format {CurrentFormat}. "
                    + "Export the task again.");
            }

            if (manifest.Labels.Count < 1
                || manifest.Labels.Distinct(StringComparer.Ordinal).Count() != manifest.Labels.Count)
            {
                throw new ModelFileException(
                    $"{path} has {manifest.Labels.Count} labels; at least one, each once, is needed.");
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
