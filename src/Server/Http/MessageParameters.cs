using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Serving.Server.Http;

/// <summary>Fields of a message that come as text, in a query or a form.</summary>
internal static class MessageParameters
{
    public static void Set(IMessage message, IQueryCollection query)
    {
        foreach (var (name, values) in query)
            Set(message, name, values.ToString());
    }

    /// <param name="name">As in the proto or in its JSON: "text_column" or "textColumn".</param>
    /// <param name="text">An enum's value by its whole name or by what is its own: "DATASET_FORMAT_CSV" or "csv".</param>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: there is no such field, or it can't be that.</exception>
    public static void Set(IMessage message, string name, string text)
    {
        var field = JsonMessageCheck.FindPath(name, message.Descriptor);
        if (field.FieldType == FieldType.Enum)
            text = field.EnumType.Values.FirstOrDefault(value => value.Name.EndsWith($"_{text}", StringComparison.OrdinalIgnoreCase))?.Name ?? text;
        JsonMessageCheck.CheckText(text, field, name);
        field.Accessor.SetValue(message, field.FieldType switch
        {
            FieldType.Bool => bool.Parse(text),
            FieldType.Int64 => long.Parse(text),
            FieldType.Enum => field.EnumType.FindValueByName(text)?.Number ?? int.Parse(text),
            FieldType.String => text,
            _ => throw new NotSupportedException($"{field.FullName} can't be given as text.")
        });
    }
}
