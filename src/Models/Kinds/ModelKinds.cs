using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Json;
using Serving.Models.Lstm;

namespace Serving.Models.Kinds;

/// <summary>The kinds of models that can be opened, by the model_type of their config.json.</summary>
public static class ModelKinds
{
    private static readonly SortedDictionary<string, Func<string, IModelFolder>> Kinds = new(StringComparer.Ordinal)
    {
        [BertFolder.Kind] = static path => new BertFolder(path),
        [Gpt2Folder.Kind] = static path => new Gpt2Folder(path),
        [LstmFolder.Kind] = static path => new LstmFolder(path)
    };

    /// <summary>Opens a folder; only config.json is read. Without a model_type it is a BERT.</summary>
    /// <exception cref="ModelFileException">config.json is missing or no JSON, or its kind is unknown.</exception>
    public static IModelFolder Open(string folder)
    {
        const string field = "model_type";
        var fields = JsonFields.Read(Path.Combine(folder, ModelFiles.Config), "configuration of a model");
        var kind = fields.Has(field) ? fields.IsNull(field) ? "" : fields.Text(field)! : BertFolder.Kind;
        return Kinds.TryGetValue(kind, out var open)
            ? open(folder)
            : throw fields.Refusal(field, $"known are {string.Join(", ", Kinds.Keys)}");
    }
}
