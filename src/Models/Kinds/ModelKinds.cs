using System.Text.Json;
using Serving.Models.Bert;

namespace Serving.Models.Kinds;

/// <summary>The kinds of models that can be opened, by the model_type of their config.json.</summary>
public static class ModelKinds
{
    private static readonly SortedDictionary<string, Func<string, IModelFolder>> Kinds = new(StringComparer.Ordinal)
    {
        [BertFolder.Kind] = static path => new BertFolder(path)
    };

    /// <summary>Opens a folder; only config.json is read. Without a model_type it is a BERT.</summary>
    /// <exception cref="ModelFileException">config.json is missing or no JSON, or its kind is unknown.</exception>
    public static IModelFolder Open(string folder)
    {
        var path = Path.Combine(folder, ModelFiles.Config);
        var kind = ReadKind(path);
        return Kinds.TryGetValue(kind, out var open)
            ? open(folder)
            : throw new ModelFileException(
                $"{path}: model_type is '{kind}'; known are {string.Join(", ", Kinds.Keys)}.");
    }

    private static string ReadKind(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            return document.RootElement.TryGetProperty("model_type", out var kind)
                ? kind.GetString() ?? ""
                : BertFolder.Kind;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new ModelFileException($"{path} is no configuration of a model: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(
                $"{path} can't be read ({exception.Message}); a model is a folder with {ModelFiles.Config}, "
                + $"{ModelFiles.Vocabulary} and {ModelFiles.Weights}.",
                exception);
        }
    }
}
