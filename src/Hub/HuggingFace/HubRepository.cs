using System.Text.Json;
using System.Text.Json.Serialization;

namespace Serving.Hub.HuggingFace;

/// <summary>A file of a repository, as the hub lists it.</summary>
/// <param name="Bytes">Its size.</param>
/// <param name="Digest">What it must hash to.</param>
internal sealed record HubFile(string Name, long Bytes, HubDigest Digest);

/// <summary>A repository at one commit: what https://huggingface.co/docs/hub/api calls the info of a model.</summary>
internal sealed class HubRepository
{
    private const int CommitLength = 40;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly Dictionary<string, Sibling> _siblings;

    private HubRepository(Info info)
    {
        Id = info.Id!;
        Commit = info.Sha!;
        License = info.LicenseText;
        _siblings = (info.Siblings ?? []).Where(sibling => sibling.Rfilename is not null)
            .DistinctBy(sibling => sibling.Rfilename, StringComparer.Ordinal)
            .ToDictionary(sibling => sibling.Rfilename!, StringComparer.Ordinal);
    }

    /// <summary>As the hub writes it: "google-bert/bert-base-uncased" for "bert-base-uncased".</summary>
    public string Id { get; }

    public string Commit { get; }

    /// <summary>Its identifier, such as "apache-2.0"; empty if the repository names none.</summary>
    public string License { get; }

    /// <summary>Paths of all files, as the hub sends them: they may be anything.</summary>
    public IReadOnlyCollection<string> Paths => _siblings.Keys;

    public bool Has(string name) => _siblings.ContainsKey(name);

    /// <param name="name">One of <see cref="Paths"/>.</param>
    /// <exception cref="InvalidDataException">The hub says no size or digest of it.</exception>
    public HubFile File(string name)
    {
        var sibling = _siblings[name];
        if (sibling.Lfs is { Sha256: { } sha256, Size: >= 0 } lfs && HubDigest.IsSha256(sha256))
            return new(name, lfs.Size.Value, HubDigest.Sha256(sha256));
        if (sibling is { BlobId: { } blob, Size: >= 0 } && HubDigest.IsGitBlob(blob))
            return new(name, sibling.Size.Value, HubDigest.GitBlob(blob));
        throw new InvalidDataException($"of {name} it says no size or no digest");
    }

    /// <exception cref="InvalidDataException">It is no such answer.</exception>
    public static HubRepository Parse(ReadOnlySpan<byte> answer)
    {
        Info? info;
        try
        {
            info = JsonSerializer.Deserialize<Info>(answer, Json);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException("its list of files is no JSON of the hub's", exception);
        }

        if (info is not { Id.Length: > 0, Sha.Length: CommitLength } || !info.Sha.All(char.IsAsciiHexDigitLower))
            throw new InvalidDataException("it does not name the repository and the commit");
        return new(info);
    }

    private sealed record Info(
        string? Id, string? Sha, List<Sibling>? Siblings, JsonElement CardData, List<string>? Tags)
    {
        private const string Tag = "license:";

        [JsonIgnore]
        public string LicenseText
        {
            get
            {
                if (CardData.ValueKind == JsonValueKind.Object
                    && CardData.TryGetProperty("license", out var license)
                    && license.ValueKind == JsonValueKind.String)
                    return license.GetString()!;
                return Tags?.Find(tag => tag?.StartsWith(Tag, StringComparison.Ordinal) == true)?[Tag.Length..] ?? "";
            }
        }
    }

    private sealed record Sibling(string? Rfilename, long? Size, string? BlobId, LargeFile? Lfs);

    private sealed record LargeFile(string? Sha256, long? Size);
}
