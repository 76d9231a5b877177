using System.Text.Json;
using Serving.Storage;

namespace Serving.Hub.Sources;

/// <summary>Where a model comes from: a file in its folder.</summary>
/// <param name="Source">As its source writes it: "google-bert/bert-base-uncased", "nuget:minilm".</param>
/// <param name="Requested">The revision that was asked for: a branch, a tag or a commit.</param>
/// <param name="Revision">What that was: a commit, or the version of a package.</param>
/// <param name="License">As the source names it; empty if it does not.</param>
/// <param name="Page">Where people read about it.</param>
public sealed record ModelOrigin(string Source, string Requested, string Revision, string License, string Page)
{
    private const string FileName = ".origin.json";
    private const string Card = "MODEL_CARD.md";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>The model's files with their sizes in bytes; null while they are being gathered.</summary>
    public IReadOnlyDictionary<string, long>? Files { get; init; }

    /// <summary>Reads what a folder says of itself.</summary>
    /// <returns>Null if it says nothing that can be read: the model was not pulled.</returns>
    public static ModelOrigin? Read(string folder)
    {
        try
        {
            return JsonSerializer.Deserialize<ModelOrigin>(File.ReadAllBytes(Path.Combine(folder, FileName)), Json);
        }
        catch (Exception exception)
            when (exception is JsonException or FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Whether both are the same files.</summary>
    public bool IsSame(ModelOrigin? other) => other is not null && other.Source == Source && other.Revision == Revision;

    /// <summary>Whether all files are there with their sizes.</summary>
    public bool IsWhole(string folder) => Files is not null && Files.All(
        file => new FileInfo(Path.Combine(folder, file.Key)) is { Exists: true } there && there.Length == file.Value);

    /// <summary>Notes in a folder whose files it is to have.</summary>
    public void Write(string folder, IFileSystem files) =>
        files.Replace(Path.Combine(folder, FileName), JsonSerializer.SerializeToUtf8Bytes(this, Json));

    /// <summary>Notes that a folder has all of its files, with a card for people.</summary>
    public void WriteWhole(string folder, IFileSystem files)
    {
        files.Replace(Path.Combine(folder, Card), CardText());
        var whole = this with
        {
            Files = Directory.GetFiles(folder)
                .Select(path => new FileInfo(path))
                .Where(file => !file.Name.StartsWith('.'))
                .ToDictionary(file => file.Name, file => file.Length, StringComparer.Ordinal)
        };
        whole.Write(folder, files);
    }

    private byte[] CardText() => System.Text.Encoding.UTF8.GetBytes(
        $"""
        # {Source}

        | | |
        |---|---|
        | source | {Page} |
        | revision | {Revision} |
        | license | {(License.Length > 0 ? License : "not named; see the source")} |

        """);
}
