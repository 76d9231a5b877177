using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.Models;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>
/// Which backbone is meant by versions that know theirs by its weights alone: the one that had these weights first.
/// </summary>
/// <remarks>
/// Such a version does not tell which tokenizer it was trained with. It is taken to be the one that its model has when
/// this data root first sees the weights, so that a change from then on is noticed.
/// </remarks>
internal sealed class BackbonePins
{
    private const int CurrentFormat = 1;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true
    };

    private readonly string _path;
    private readonly IFileSystem _files;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, string> _byWeights = new(StringComparer.OrdinalIgnoreCase);

    /// <param name="path">The file; it need not be there.</param>
    public BackbonePins(string path, IFileSystem files)
    {
        _path = path;
        _files = files;
        if (!File.Exists(path))
            return;
        try
        {
            var contents = JsonSerializer.Deserialize<Contents>(File.ReadAllBytes(path), Json);
            if (contents?.Format != CurrentFormat)
                throw new JsonException($"Its format is {contents?.Format}; {CurrentFormat} is read.");
            foreach (var (weights, backbone) in contents.ByWeights)
                _byWeights[weights] = backbone;
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            Problem = $"{path}, which says whether the model is as it was, can't be used: {exception.Message} Repair "
                + "it, or remove it if no model's tokenizer or configuration has changed";
        }
    }

    /// <summary>Why the file can't be used; null if it can. With a problem, weights alone mean nothing.</summary>
    public string? Problem { get; }

    /// <summary>Whether versions that name weights alone mean this backbone; the first one is taken down.</summary>
    /// <remarks>Where the file can't be written, it is tried again at the next start.</remarks>
    public bool Mean(BackboneDigest backbone)
    {
        lock (_lock)
        {
            if (Problem is not null)
                return false;
            if (_byWeights.TryGetValue(backbone.Weights, out var known))
                return string.Equals(known, backbone.Value, StringComparison.OrdinalIgnoreCase);
            _byWeights.Add(backbone.Weights, backbone.Value);
            try
            {
                var contents = new Contents(CurrentFormat, _byWeights);
                _files.Replace(_path, JsonSerializer.SerializeToUtf8Bytes(contents, Json));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // A full or read-only disk must not keep a model from being served.
            }

            return true;
        }
    }

    private sealed record Contents(int Format, [property: JsonRequired] SortedDictionary<string, string> ByWeights);
}
