using System.Text.Json;

namespace Serving.Models.Json;

/// <summary>An object of a JSON file, read field by field: a field of a wrong type is refused by its name.</summary>
internal sealed class JsonFields
{
    private const int MostShown = 60;

    private readonly string _prefix;
    private readonly Dictionary<string, JsonElement> _fields = new(StringComparer.Ordinal);

    private JsonFields(string path, string prefix, JsonElement element)
    {
        Path = path;
        _prefix = prefix;
        foreach (var field in element.EnumerateObject())
        {
            if (!_fields.TryAdd(field.Name, field.Value))
                throw new ModelFileException($"{path}: {prefix}{field.Name} is there twice; it is needed once.");
        }
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The file, and where in it the object is.</summary>
    public string Place => _prefix.Length == 0 ? Path : $"{Path}: {_prefix[..^1]}";

    public IEnumerable<string> Names => _fields.Keys;

    /// <summary>Reads a file.</summary>
    /// <param name="what">What the file should be, for messages.</param>
    /// <exception cref="ModelFileException">It can't be read or is no JSON object.</exception>
    public static JsonFields Read(string path, string what)
    {
        var text = ModelText.Read(path);
        if (string.IsNullOrWhiteSpace(text))
            throw new ModelFileException($"{path} is empty, no {what}. Fetch it again.");
        try
        {
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new ModelFileException($"{path} is no {what}: an object is needed.");
            return new(path, "", document.RootElement.Clone());
        }
        catch (JsonException exception)
        {
            // Its own place counts from 0 and stands behind the sentence.
            var reason = exception.Message.Split(" LineNumber:")[0];
            var place = $"line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}";
            throw new ModelFileException($"{path} is no {what}: {place}: {reason}", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new ModelFileException($"{path} is no {what}: {exception.Message}", exception);
        }
    }

    public bool Has(string name) => _fields.ContainsKey(name);

    /// <summary>Whether a field is missing or null.</summary>
    public bool IsNull(string name) => Kind(name) is JsonValueKind.Undefined or JsonValueKind.Null;

    /// <summary>What a field is; undefined where it is missing.</summary>
    public JsonValueKind Kind(string name) =>
        _fields.TryGetValue(name, out var value) ? value.ValueKind : JsonValueKind.Undefined;

    /// <returns>null if it is missing.</returns>
    public bool? Flag(string name) => Kind(name) switch
    {
        JsonValueKind.Undefined => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Refusal(name, "true or false is needed")
    };

    /// <returns>null if it is missing.</returns>
    public string? Text(string name) => Kind(name) switch
    {
        JsonValueKind.Undefined => null,
        JsonValueKind.String => TextOf(name, _fields[name]),
        _ => throw Refusal(name, "text is needed")
    };

    /// <summary>A whole number.</summary>
    /// <param name="fallback">What it is where it is missing; null where it is needed.</param>
    public int Number(string name, int least, int most, int? fallback = null)
    {
        if (!Has(name) && fallback is { } value)
            return value;
        if (Kind(name) == JsonValueKind.Number && _fields[name].TryGetInt64(out var number)
            && number >= least && number <= most)
            return (int)number;
        throw Refusal(name, $"a whole number, {least} to {most}, is needed");
    }

    /// <summary>A number of 0 or more.</summary>
    public float Fraction(string name, float fallback)
    {
        if (!Has(name))
            return fallback;
        if (Kind(name) == JsonValueKind.Number && _fields[name].TryGetSingle(out var number)
            && float.IsFinite(number) && number >= 0)
            return number;
        throw Refusal(name, "a number of 0 or more that float32 can hold is needed");
    }

    /// <summary>A finite number.</summary>
    /// <returns>null if it is missing or null.</returns>
    public double? Real(string name)
    {
        if (IsNull(name))
            return null;
        if (Kind(name) == JsonValueKind.Number && _fields[name].TryGetDouble(out var number) && double.IsFinite(number))
            return number;
        throw Refusal(name, "a number is needed");
    }

    /// <summary>An object; null if it is missing or null.</summary>
    public JsonFields? Object(string name) => IsNull(name)
        ? null
        : Kind(name) == JsonValueKind.Object
            ? new(Path, $"{_prefix}{name}.", _fields[name])
            : throw Refusal(name, "an object is needed");

    /// <summary>The elements of a list; none if it is missing or null.</summary>
    public IReadOnlyList<JsonElement> List(string name) => IsNull(name)
        ? []
        : Kind(name) == JsonValueKind.Array
            ? [.. _fields[name].EnumerateArray()]
            : throw Refusal(name, "a list is needed");

    /// <summary>The elements of a list as objects; none if it is missing or null.</summary>
    public IReadOnlyList<JsonFields> Objects(string name) =>
    [
        .. List(name).Select((element, i) => element.ValueKind == JsonValueKind.Object
            ? new JsonFields(Path, $"{_prefix}{name}[{i}].", element)
            : throw Refusal(name, "a list of objects is needed"))
    ];

    /// <summary>The elements of a list as texts; none if it is missing or null.</summary>
    public IReadOnlyList<string> Texts(string name) =>
    [
        .. List(name).Select(element => element.ValueKind == JsonValueKind.String
            ? TextOf(name, element)
            : throw Refusal(name, "a list of texts is needed"))
    ];

    /// <summary>Whether a field says nothing: it is missing, null, or an empty list, object or text.</summary>
    public bool IsEmpty(string name) => Kind(name) switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null => true,
        JsonValueKind.Object => !_fields[name].EnumerateObject().Any(),
        JsonValueKind.Array => _fields[name].GetArrayLength() == 0,
        JsonValueKind.String => TextOf(name, _fields[name]).Length == 0,
        _ => false
    };

    /// <exception cref="ModelFileException">There is a field of another name.</exception>
    public void ThrowUnlessKnown(Func<string, bool> isKnown)
    {
        foreach (var name in Names.Where(name => !isKnown(name)))
        {
            throw Refusal(
                name,
                "what it means is not known here, and it may change what the model computes. Remove it if it does not");
        }
    }

    /// <summary>The error of a field that can't be as it is.</summary>
    /// <param name="needed">What it must be, or the remedy; without the full stop.</param>
    public ModelFileException Refusal(string name, string needed) =>
        new($"{Path}: {_prefix}{name} is {Shown(name)}; {needed}.");

    private string Shown(string name)
    {
        if (!_fields.TryGetValue(name, out var value))
            return "missing";
        var text = value.GetRawText();
        if (value.ValueKind == JsonValueKind.String)
            text = $"'{TextOf(name, value)}'";
        return text.Length <= MostShown ? text : text[..MostShown] + "...";
    }

    private string TextOf(string name, JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException exception) // Half of a surrogate pair, as an escape.
        {
            throw new ModelFileException(
                $"{Path}: {_prefix}{name} has a text that is no Unicode; well-formed text is needed.", exception);
        }
    }
}
