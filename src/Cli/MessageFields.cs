using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Serving.Cli;

/// <summary>Fields of messages by their paths.</summary>
internal static class MessageFields
{
    /// <summary>Finds a field and the message that has it, which is made if it is not there.</summary>
    /// <param name="path">"mask.layers"</param>
    public static (IMessage Owner, FieldDescriptor Field) Find(IMessage message, string path)
    {
        var names = path.Split('.');
        foreach (var name in names.SkipLast(1))
        {
            var group = message.Descriptor.FindFieldByName(name);
            if (group.Accessor.GetValue(message) is null)
                group.Accessor.SetValue(message, group.MessageType.Parser.ParseFrom(ByteString.Empty));
            message = (IMessage)group.Accessor.GetValue(message);
        }

        return (message, message.Descriptor.FindFieldByName(names[^1]));
    }

    /// <returns>A field of a type of messages, by its path.</returns>
    public static FieldDescriptor Find(MessageDescriptor type, string path)
    {
        var names = path.Split('.');
        foreach (var name in names.SkipLast(1))
            type = type.FindFieldByName(name).MessageType;
        return type.FindFieldByName(names[^1]);
    }

    /// <returns>An enumeration's value, by its name in messages.</returns>
    public static object Value(EnumDescriptor type, string name) =>
        Enum.ToObject(type.ClrType, type.FindValueByName(name).Number);
}
