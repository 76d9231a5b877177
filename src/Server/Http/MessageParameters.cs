using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Serving.Server.Http;

/// <summary>Fields of a message that come as text, in a query or a form, each at most once.</summary>
/// <param name="inPath">The field that the path gives.</param>
internal sealed class MessageParameters(IMessage message, string inPath)
{
    private readonly HashSet<int> _given = [];

    public void Set(IQueryCollection query)
    {
        foreach (var (name, values) in query)
        {
            foreach (var value in values)
                Set(name, value ?? "");
        }
    }

    /// <param name="name">As in the proto or in its JSON: "text_column" or "textColumn".</param>
    /// <param name="text">An enum's value by its whole name or its own part: "DATASET_FORMAT_CSV" or "csv".</param>
    /// <exception cref="Grpc.Core.RpcException">
    /// INVALID_ARGUMENT: there is no such field, or it can't be that.
    /// </exception>
    public void Set(string name, string text)
    {
        var field = JsonMessageCheck.FindPath(name, message.Descriptor)[^1];
        if (field.Name == inPath)
            throw Errors.InvalidArgument(name, "It is in the path already; leave it out.");
        if (!_given.Add(field.FieldNumber))
            throw Errors.InvalidArgument(name, "It is given twice; once is needed.");
        if (field.FieldType == FieldType.Enum)
            text = field.EnumType.Values.FirstOrDefault(
                value => value.Name.EndsWith($"_{text}", StringComparison.OrdinalIgnoreCase))?.Name ?? text;
        JsonMessageCheck.CheckText(text, field, name);
        field.Accessor.SetValue(message, field.FieldType switch
        {
            FieldType.Bool => bool.Parse(text),
            FieldType.Int64 => long.Parse(text, CultureInfo.InvariantCulture),
            FieldType.Enum => field.EnumType.FindValueByName(text).Number,
            FieldType.String => text,
            _ => throw new NotSupportedException($"{field.FullName} can't be given as text.")
        });
    }
}
