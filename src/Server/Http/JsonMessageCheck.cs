using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Serving.Storage;

namespace Serving.Server.Http;

/// <summary>Whether JSON fits a message type; what does not is refused with its path in the message.</summary>
internal static class JsonMessageCheck
{
    private const NumberStyles Fraction =
        NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>Names and values in messages are cut after so many characters.</summary>
    private const int MostShown = 40;

    /// <param name="route">What the path says of some fields.</param>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it does not; the field is named.</exception>
    public static void ThrowUnlessFits(JsonElement value, MessageDescriptor type, RouteValueDictionary route)
    {
        CheckMessage(value, type, path: "");
        foreach (var property in value.EnumerateObject())
        {
            var name = Find(property.Name, type)!.Name;
            var text = property.Value;
            if (!route.TryGetValue(name, out var given)
                || text.ValueKind != JsonValueKind.String
                || text.ValueEquals(given?.ToString()))
                continue;
            throw Errors.InvalidArgument(
                property.Name,
                $"It is {Shortened(text.GetRawText())}, in the path {Shortened($"{given}")}; leave it out.");
        }
    }

    /// <summary>Query parameters are paths of fields: "page_size", "task.version".</summary>
    /// <param name="route">What the path says of some fields.</param>
    public static void ThrowUnlessParameters(IQueryCollection query, MessageDescriptor type, RouteValueDictionary route)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, values) in query)
        {
            var fields = FindPath(name, type);
            var field = fields[^1];
            if (field.FieldType is FieldType.Message or FieldType.Group)
                throw Errors.InvalidArgument(name, "It is a message; name one of its fields, as in task.version.");
            if (route.ContainsKey(string.Join('.', fields.Select(part => part.Name))))
                throw Errors.InvalidArgument(name, "It is in the path already; leave it out.");
            if (values.Count > 1 && !field.IsRepeated)
                throw Errors.InvalidArgument(name, $"It is given {values.Count} times; once is needed.");
            if (!seen.Add(field.FullName))
                throw Errors.InvalidArgument(name, "It is given under two names; once is needed.");
            if (field.RealContainingOneof is { } group && !seen.Add(group.FullName))
                throw Errors.InvalidArgument(
                    name, $"Another of its group '{group.Name}' is given, too; one of them is needed.");
            foreach (var value in values)
                CheckText(value ?? "", field, name);
        }
    }

    /// <summary>For methods that take none.</summary>
    public static void ThrowIfParameters(IQueryCollection query)
    {
        foreach (var name in query.Keys)
            throw Errors.InvalidArgument(
                ShortName(name),
                "There are no parameters here; leave it out, or put it into the body if it is a field.");
    }

    /// <param name="path">"page_size", "task.version"</param>
    /// <returns>The field of each part; never none.</returns>
    public static List<FieldDescriptor> FindPath(string path, MessageDescriptor type)
    {
        var fields = new List<FieldDescriptor>();
        foreach (var name in path.Split('.'))
        {
            var owner = type;
            if (fields.Count > 0)
                owner = fields[^1].FieldType == FieldType.Message ? fields[^1].MessageType : null;
            var field = owner is null ? null : Find(name, owner);
            fields.Add(field ?? throw Unknown(ShortName(path), name, owner ?? type, "parameter"));
        }

        return fields;
    }

    private static void CheckMessage(JsonElement value, MessageDescriptor type, string path)
    {
        if (type.File.Package == "google.protobuf")
        {
            CheckWellKnown(value, type, path);
            return;
        }

        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(path.Length == 0 ? "body" : path, value, $"an object, a {type.Name},");
        var seen = new HashSet<FieldDescriptor>();
        var groups = new HashSet<OneofDescriptor>();
        foreach (var property in value.EnumerateObject())
        {
            var name = Text(() => property.Name, path.Length == 0 ? "body" : path);
            var fieldPath = path.Length == 0 ? ShortName(name) : $"{path}.{ShortName(name)}";
            var field = Find(name, type) ?? throw Unknown(fieldPath, name, type, "field");
            if (!seen.Add(field))
                throw Errors.InvalidArgument(fieldPath, "It is given twice; once is needed.");
            if (property.Value.ValueKind == JsonValueKind.Null && !field.IsRepeated)
                continue; // As if it were not there; for lists transcoding takes none.
            if (field.RealContainingOneof is { } group && !groups.Add(group))
                throw Errors.InvalidArgument(
                    fieldPath, $"Another of its group '{group.Name}' is given, too; one of them is needed.");
            CheckField(property.Value, field, fieldPath);
        }
    }

    /// <summary>Durations and the like have forms of their own.</summary>
    private static void CheckWellKnown(JsonElement value, MessageDescriptor type, string path)
    {
        try
        {
            JsonParser.Default.Parse(value.GetRawText(), type);
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or InvalidOperationException)
        {
            throw Wrong(path, value, type.Name == nameof(Duration) ? "a time such as '90s'" : $"a {type.Name}");
        }
    }

    private static void CheckField(JsonElement value, FieldDescriptor field, string path)
    {
        if (!field.IsRepeated)
        {
            CheckValue(value, field, path);
            return;
        }

        if (field.IsMap)
        {
            CheckMap(value, field.MessageType, path);
            return;
        }

        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(path, value, "a list");
        var i = 0;
        foreach (var item in value.EnumerateArray())
            CheckValue(item, field, $"{path}[{i++}]");
    }

    /// <param name="entry">The type of its entries: a key and a value.</param>
    private static void CheckMap(JsonElement value, MessageDescriptor entry, string path)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(path, value, "an object of keys and values");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in value.EnumerateObject())
        {
            var key = Text(() => property.Name, path);
            var keyPath = $"{path}[{ShortName(key)}]";
            CheckText(key, entry.FindFieldByNumber(1), keyPath);
            if (!seen.Add(key))
                throw Errors.InvalidArgument(keyPath, "It is given twice; once is needed.");
            CheckValue(property.Value, entry.FindFieldByNumber(2), keyPath);
        }
    }

    private static void CheckValue(JsonElement value, FieldDescriptor field, string path)
    {
        switch (field.FieldType, value.ValueKind)
        {
            case (FieldType.Message, _):
                CheckMessage(value, field.MessageType, path);
                break;
            case (FieldType.Bool, JsonValueKind.True or JsonValueKind.False):
                break;
            case (FieldType.Bool, _):
                throw Wrong(path, value, "true or false");
            case (FieldType.String or FieldType.Bytes, not JsonValueKind.String):
                throw Wrong(path, value, "a string");
            case (_, JsonValueKind.String):
                CheckText(Text(() => value.GetString()!, path), field, path);
                break;
            case (FieldType.Enum, JsonValueKind.Number) when value.TryGetInt32(out var number)
                && field.EnumType.FindValueByNumber(number) is not null:
                break;
            case (_, JsonValueKind.Number):
                CheckText(value.GetRawText(), field, path);
                break;
            default:
                throw Wrong(path, value, Needed(field));
        }
    }

    /// <summary>Checks a number, an enum's name or a string, as it stands in JSON or in a query.</summary>
    public static void CheckText(string text, FieldDescriptor field, string path)
    {
        var fits = field.FieldType switch
        {
            FieldType.Enum => field.EnumType.FindValueByName(text) is not null,
            FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => IsWhole(text, int.MinValue, int.MaxValue),
            FieldType.UInt32 or FieldType.Fixed32 => IsWhole(text, uint.MinValue, uint.MaxValue),
            FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => IsWhole(text, long.MinValue, long.MaxValue),
            FieldType.UInt64 or FieldType.Fixed64 => IsWhole(text, ulong.MinValue, ulong.MaxValue),
            FieldType.Float or FieldType.Double => text is "NaN" or "Infinity" or "-Infinity"
                || (double.TryParse(text, Fraction, CultureInfo.InvariantCulture, out var x) && double.IsFinite(x)),
            FieldType.Bool => text is "true" or "false",
            FieldType.Bytes => Convert.TryFromBase64String(text, new byte[text.Length], out _),
            _ => true
        };
        if (!fits)
            throw Errors.InvalidArgument(path, $"It is {Shortened(text)}; {Needed(field)} is needed.");
    }

    /// <summary>Whole numbers are taken to the last digit; transcoding reads neither 1e3 nor 5.0.</summary>
    private static bool IsWhole(string text, decimal least, decimal most) =>
        decimal.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= least
            && value <= most;

    private static string Needed(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Enum => $"one of {string.Join(", ", field.EnumType.Values.Select(value => value.Name))}",
        FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => "a whole number of 32 bits, digits alone,",
        FieldType.UInt32 or FieldType.Fixed32 => "a whole number of 32 bits, 0 or more,",
        FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 =>
            "a whole number of 64 bits, digits alone, as a string past 2^53,",
        FieldType.UInt64 or FieldType.Fixed64 => "a whole number of 64 bits, 0 or more, as a string past 2^53,",
        FieldType.Float or FieldType.Double => "a number",
        FieldType.Bool => "true or false",
        FieldType.Bytes => "Base64",
        _ => "a string"
    };

    private static FieldDescriptor? Find(string name, MessageDescriptor type) =>
        type.FindFieldByName(name) ?? type.Fields.InDeclarationOrder().FirstOrDefault(field => field.JsonName == name);

    private static string Text(Func<string> read, string path)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            throw Errors.InvalidArgument(
                path, "It is no UTF-8, or half of a surrogate pair. Encode the text as UTF-8.");
        }
    }

    private static Grpc.Core.RpcException Unknown(string path, string name, MessageDescriptor type, string kind)
    {
        var known = type.Fields.InDeclarationOrder().Select(field => field.JsonName).ToList();
        var hint = known.Count == 0
            ? $"{type.Name} has none."
            : $"{type.Name} has {string.Join(", ", NearestNames.To(ShortName(name), known))}.";
        return Errors.InvalidArgument(path, $"There is no such {kind}. {hint}");
    }

    private static Grpc.Core.RpcException Wrong(string path, JsonElement value, string needed) =>
        Errors.InvalidArgument(path, $"It is {Shortened(value.GetRawText())}; {needed} is needed.");

    private static string Shortened(string text) => $"'{Cut(text)}'";

    private static string ShortName(string name) => name.Length == 0 ? "\"\"" : Cut(name);

    private static string Cut(string text) => text.Length <= MostShown ? text : $"{text[..MostShown]}...";
}
