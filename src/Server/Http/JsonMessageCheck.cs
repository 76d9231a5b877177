using System.Globalization;
using System.Text.Json;
using Google.Protobuf.Reflection;

namespace Serving.Server.Http;

/// <summary>Whether JSON fits a message type; what does not is refused with its path in the message.</summary>
internal static class JsonMessageCheck
{
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it does not; the field is named.</exception>
    public static void ThrowUnlessFits(JsonElement value, MessageDescriptor type) => CheckMessage(value, type, path: "");

    /// <summary>Query parameters are paths of fields: "page_size", "task.version".</summary>
    public static void ThrowUnlessParameters(IQueryCollection query, MessageDescriptor type)
    {
        foreach (var (name, values) in query)
        {
            var field = FindPath(name, type);
            if (field.FieldType is FieldType.Message or FieldType.Group)
                throw Errors.InvalidArgument(name, "It is a message; name one of its fields, as in task.version.");
            if (values.Count > 1 && !field.IsRepeated)
                throw Errors.InvalidArgument(name, $"It is given {values.Count} times; once is needed.");
            foreach (var value in values)
                CheckText(value ?? "", field, name);
        }
    }

    /// <param name="path">"page_size", "task.version"</param>
    public static FieldDescriptor FindPath(string path, MessageDescriptor type)
    {
        FieldDescriptor? field = null;
        foreach (var name in path.Split('.'))
        {
            var owner = field is null ? type : field.FieldType == FieldType.Message ? field.MessageType : null;
            field = owner is null ? null : Find(name, owner);
            if (field is null)
                throw Unknown(path, name, owner ?? type, "parameter");
        }

        return field!;
    }

    private static void CheckMessage(JsonElement value, MessageDescriptor type, string path)
    {
        if (type.File.Package == "google.protobuf")
            return; // Durations and the like have forms of their own, which transcoding knows.
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(path.Length == 0 ? "body" : path, value, $"an object, a {type.Name},");
        var seen = new HashSet<FieldDescriptor>();
        OneofDescriptor? oneof = null;
        foreach (var property in value.EnumerateObject())
        {
            var fieldPath = path.Length == 0 ? property.Name : $"{path}.{property.Name}";
            var field = Find(property.Name, type) ?? throw Unknown(fieldPath, property.Name, type, "field");
            if (!seen.Add(field))
                throw Errors.InvalidArgument(fieldPath, "It is given twice; once is needed.");
            if (property.Value.ValueKind == JsonValueKind.Null)
                continue; // As if it were not there.
            if (field.RealContainingOneof is { } group && oneof == group)
                throw Errors.InvalidArgument(fieldPath, $"Another of its group '{group.Name}' is given, too; one of them is needed.");
            oneof = field.RealContainingOneof ?? oneof;
            CheckField(property.Value, field, fieldPath);
        }
    }

    private static void CheckField(JsonElement value, FieldDescriptor field, string path)
    {
        if (!field.IsRepeated)
        {
            CheckValue(value, field, path);
            return;
        }

        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(path, value, "a list");
        var i = 0;
        foreach (var item in value.EnumerateArray())
            CheckValue(item, field, $"{path}[{i++}]");
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
                CheckText(Text(value, path), field, path);
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
            FieldType.Enum => field.EnumType.FindValueByName(text) is not null
                || (int.TryParse(text, out var number) && field.EnumType.FindValueByNumber(number) is not null),
            FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => IsWhole(text, int.MinValue, int.MaxValue),
            FieldType.UInt32 or FieldType.Fixed32 => IsWhole(text, uint.MinValue, uint.MaxValue),
            FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => IsWhole(text, long.MinValue, long.MaxValue),
            FieldType.UInt64 or FieldType.Fixed64 => IsWhole(text, ulong.MinValue, ulong.MaxValue),
            FieldType.Float or FieldType.Double => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _),
            FieldType.Bool => text is "true" or "false",
            FieldType.Bytes => Convert.TryFromBase64String(text, new byte[text.Length], out _),
            _ => true
        };
        if (!fits)
            throw Errors.InvalidArgument(path, $"It is {Shortened(text)}; {Needed(field)} is needed.");
    }

    /// <summary>Whole numbers are taken as they are written, to the last digit; 1e3 and 5.0 are whole, too.</summary>
    private static bool IsWhole(string text, decimal least, decimal most) =>
        decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
        && decimal.IsInteger(value) && value >= least && value <= most;

    private static string Needed(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Enum => $"one of {string.Join(", ", field.EnumType.Values.Select(value => value.Name))}",
        FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32 => "a whole number of 32 bits",
        FieldType.UInt32 or FieldType.Fixed32 => "a whole number of 32 bits, 0 or more,",
        FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => "a whole number of 64 bits, as a string past 2^53,",
        FieldType.UInt64 or FieldType.Fixed64 => "a whole number of 64 bits, 0 or more, as a string past 2^53,",
        FieldType.Float or FieldType.Double => "a number",
        FieldType.Bool => "true or false",
        FieldType.Bytes => "Base64",
        _ => "a string"
    };

    private static FieldDescriptor? Find(string name, MessageDescriptor type) =>
        type.FindFieldByName(name) ?? type.Fields.InDeclarationOrder().FirstOrDefault(field => field.JsonName == name);

    private static string Text(JsonElement value, string path)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Errors.InvalidArgument(path, "It is no UTF-8, or half of a surrogate pair. Encode the text as UTF-8.");
        }
    }

    private static Grpc.Core.RpcException Unknown(string path, string name, MessageDescriptor type, string kind)
    {
        var known = type.Fields.InDeclarationOrder().Select(field => field.JsonName).ToList();
        var hint = known.Count == 0
            ? $"{type.Name} has none."
            : $"{type.Name} has {string.Join(", ", NearestNames.To(name, known))}.";
        return Errors.InvalidArgument(path, $"There is no such {kind}. {hint}");
    }

    private static Grpc.Core.RpcException Wrong(string path, JsonElement value, string needed) =>
        Errors.InvalidArgument(path, $"It is {Shortened(value.GetRawText())}; {needed} is needed.");

    private static string Shortened(string text) => text.Length <= 40 ? $"'{text}'" : $"'{text[..40]}...'";
}
