using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>A task's aliases, by name; the contents of its aliases.json.</summary>
public sealed record TaskAliases(int Format, ImmutableSortedDictionary<string, AliasTarget> Aliases)
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

    /// <summary>What changes with each change of them; empty for none. A change names the one that it began with.
    /// </summary>
    [JsonIgnore]
    public string Revision { get; init; } = "";

    /// <exception cref="DomainException">It is no list of aliases of a format that is known.</exception>
    public static TaskAliases Parse(string path, ReadOnlySpan<byte> json)
    {
        TaskAliases? aliases;
        try
        {
            aliases = JsonSerializer.Deserialize<TaskAliases>(json, Json);
        }
        catch (JsonException exception)
        {
            throw DomainException.Corrupted(
                path,
                $"{path} is no list of aliases: {exception.Message} Repair or remove it.",
                innerException: exception);
        }

        if (aliases is null || aliases.Format != CurrentFormat)
            throw DomainException.Corrupted(
                path, $"{path} has format {aliases?.Format}", $"this version reads format {CurrentFormat}");
        foreach (var (name, target) in aliases.Aliases)
        {
            if (!ResourceName.IsValid(name) || target.Previous.IsDefault || !target.Versions.All(ResourceName.IsVersion)
                || target.Canary is { Share: not (>= 0 and <= 1) })
                throw DomainException.Corrupted(path, $"{path}: the alias '{name}' is not sound. Repair or remove it.");
        }

        return aliases;
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Json);
}
