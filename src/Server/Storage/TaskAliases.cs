using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Serving.Server.Storage;

/// <summary>A second version that gets a part of an alias's requests.</summary>
/// <param name="Share">0 to 1.</param>
internal sealed record CanaryTarget(string Version, double Share);

/// <summary>What an alias points at.</summary>
/// <param name="Shadow">A version that runs along without being answered from.</param>
/// <param name="Previous">What it pointed at before, the latest first.</param>
internal sealed record AliasTarget(
    string Version, CanaryTarget? Canary, string? Shadow, ImmutableArray<string> Previous)
{
    private const int MostPrevious = 10;

    public static AliasTarget To(string version) => new(version, Canary: null, Shadow: null, Previous: []);

    /// <summary>Every version that requests may run on.</summary>
    [JsonIgnore]
    public IEnumerable<string> Versions => new[] { Version, Canary?.Version, Shadow }.OfType<string>().Distinct(
        StringComparer.Ordinal);

    /// <summary>Points it at another version; a canary ends, for it was chosen beside the old one.</summary>
    public AliasTarget Promote(string version) => version == Version
        ? this with { Canary = null }
        : this with
        {
            Version = version,
            Canary = null,
            Previous = [.. Previous.Insert(0, Version).Take(
            MostPrevious)]
        };

    /// <summary>Points it at the version before.</summary>
    public AliasTarget RollBack() =>
        this with { Version = Previous[0], Canary = null, Previous = Previous.RemoveAt(0) };
}

/// <summary>A task's aliases, by name; the contents of its aliases.json.</summary>
internal sealed record TaskAliases(int Format, ImmutableSortedDictionary<string, AliasTarget> Aliases)
{
    public const string DefaultAlias = "production";
    private const int CurrentFormat = 1;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true
    };

    public static TaskAliases None { get; } = new(
        CurrentFormat, ImmutableSortedDictionary.Create<string, AliasTarget>(StringComparer.Ordinal));

    /// <exception cref="StorageException">It is no list of aliases of a format that is known.</exception>
    public static TaskAliases Parse(string path, ReadOnlySpan<byte> json)
    {
        TaskAliases? aliases;
        try
        {
            aliases = JsonSerializer.Deserialize<TaskAliases>(json, Json);
        }
        catch (JsonException exception)
        {
            throw new StorageException(
                $"{path} is no list of aliases: {exception.Message} Repair or remove it.", exception);
        }

        if (aliases is null || aliases.Format != CurrentFormat)
            throw new StorageException(
                $"{path} has format {aliases?.Format}; this version reads format {CurrentFormat}.");
        foreach (var (name, target) in aliases.Aliases)
        {
            if (!ResourceName.IsValid(name) || target.Previous.IsDefault || !target.Versions.All(ResourceName.IsVersion)
                || target.Canary is { Share: not (>= 0 and <= 1) })
                throw new StorageException($"{path}: the alias '{name}' is not sound. Repair or remove it.");
        }

        return aliases;
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Json);
}

/// <summary>Something in the data root can't be used; the message names the file and the remedy.</summary>
internal sealed class StorageException(string message, Exception? innerException = null) : Exception(
    message, innerException);
