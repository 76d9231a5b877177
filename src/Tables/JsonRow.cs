using System.Text.Json;

namespace Serving.Tables;

/// <summary>A row can't be used; the message says why, of the row: "is no JSON object".</summary>
public sealed class RowException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>A line of JSON lines: an object, whose fields are the columns.</summary>
public sealed class JsonRow
{
    private readonly Dictionary<string, JsonElement> _fields = new(StringComparer.Ordinal);
    private readonly HashSet<string> _repeated = new(StringComparer.Ordinal);

    private JsonRow()
    {
    }

    /// <summary>The names of the fields.</summary>
    public IReadOnlyCollection<string> Names => _fields.Keys;

    /// <exception cref="RowException">It is no JSON object.</exception>
    public static JsonRow Parse(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var row = new JsonRow();
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (!row._fields.TryAdd(property.Name, property.Value.Clone()))
                    row._repeated.Add(property.Name);
            }

            return row;
        }
        catch (JsonException exception)
        {
            throw new RowException("is no JSON object", exception);
        }
        catch (InvalidOperationException exception)
        {
            throw new RowException(
                line.AsSpan().TrimStart() is ['{', ..]
                    ? "has a field whose name has half of a surrogate pair, which is no Unicode"
                    : "is JSON, but no object",
                exception);
        }
    }

    /// <summary>A field as a text: a string, or a number, true or false as the file spells it.</summary>
    /// <returns>Null if it is not there, or null.</returns>
    /// <exception cref="RowException">It is a list, an object or no Unicode, or there are two of the name.</exception>
    public string? Text(string name) => Value(name, number => number);

    /// <summary>A field as a label: as a text, but with one spelling for equal numbers, 1 and 1.0.</summary>
    /// <returns>Null if it is not there, or null.</returns>
    /// <exception cref="RowException">It is a list, an object or no Unicode, or there are two of the name.</exception>
    public string? Label(string name) => Value(name, JsonNumber.Canonical);

    private string? Value(string name, Func<string, string> number)
    {
        if (_repeated.Contains(name))
            throw new RowException($"has two fields '{name}'");
        if (!_fields.TryGetValue(name, out var value))
            return null;
        return value.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => Decoded(name, value),
            JsonValueKind.Number => number(value.GetRawText()),
            JsonValueKind.True => "true",
            JsonValueKind.False => "false",
            var kind => throw new RowException(
                $"has {(kind == JsonValueKind.Array ? "a list" : "an object")} as '{name}'; a string, a number, "
                + "true or false is needed")
        };
    }

    private static string? Decoded(string name, JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException exception)
        {
            throw new RowException(
                $"has half of a surrogate pair in '{name}', which is no Unicode",
                exception);
        }
    }
}
