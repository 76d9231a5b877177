using System.Buffers;
using System.Text.Unicode;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;

namespace Serving.Protocol;

/// <summary>
/// Parses messages whose strings must be UTF-8. Google.Protobuf replaces what is not by U+FFFD, and a text would be
/// classified that nobody wrote.
/// </summary>
internal static class StrictUtf8
{
    /// <exception cref="RpcException">INVALID_ARGUMENT: a string is no UTF-8; the field is named.</exception>
    /// <exception cref="RpcException">INTERNAL: it is no message of this type.</exception>
    public static T Parse<T>(DeserializationContext context, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        var payload = context.PayloadAsReadOnlySequence();
        var message = WellFormed.Parse(payload, parser); // First, so that below everything is well-formed.
        var bytes = payload.IsSingleSegment ? payload.FirstSpan : payload.ToArray();
        return IsValid(bytes, message.Descriptor) ? message : throw Problem(bytes, message.Descriptor, path: "")!;
    }

    private static bool IsValid(ReadOnlySpan<byte> bytes, MessageDescriptor type)
    {
        while (TryRead(ref bytes, type, out var field, out var value))
        {
            if (field is { FieldType: FieldType.Message } ? !IsValid(value, field.MessageType) : IsBadString(field, value))
                return false;
        }

        return true;
    }

    /// <summary>Finds the first string that is no UTF-8, and its path; by itself, since hardly a message has any.</summary>
    private static RpcException? Problem(ReadOnlySpan<byte> bytes, MessageDescriptor type, string path)
    {
        var repeated = new Dictionary<int, int>();
        while (TryRead(ref bytes, type, out var field, out var value))
        {
            if (field is null)
                continue;
            var name = path + field.Name;
            if (field.IsRepeated)
            {
                var index = repeated.GetValueOrDefault(field.FieldNumber);
                repeated[field.FieldNumber] = index + 1;
                name += $"[{index}]";
            }

            if (field.FieldType == FieldType.Message && Problem(value, field.MessageType, name + ".") is { } problem)
                return problem;
            if (IsBadString(field, value))
                return NotUtf8(name, value);
        }

        return null;
    }

    /// <summary>Reads a field of a well-formed message.</summary>
    /// <param name="field">Null if it is unknown or has no length of its own, so that it can hold no string.</param>
    /// <param name="value">The bytes of a string, a message or the like.</param>
    private static bool TryRead(
        ref ReadOnlySpan<byte> bytes, MessageDescriptor type, out FieldDescriptor? field, out ReadOnlySpan<byte> value)
    {
        field = null;
        value = default;
        if (bytes.IsEmpty)
            return false;
        var tag = (uint)ReadVarint(ref bytes);
        var wireType = WireFormat.GetTagWireType(tag);
        var length = wireType switch
        {
            WireFormat.WireType.Varint => VarintLength(bytes),
            WireFormat.WireType.Fixed32 => sizeof(uint),
            WireFormat.WireType.Fixed64 => sizeof(ulong),
            WireFormat.WireType.LengthDelimited => (int)ReadVarint(ref bytes),
            _ => 0 // The marks around a group, whose fields follow as if they were the message's own.
        };
        value = bytes[..length];
        bytes = bytes[length..];
        if (wireType == WireFormat.WireType.LengthDelimited)
            field = type.FindFieldByNumber(WireFormat.GetTagFieldNumber(tag));
        return true;
    }

    private static bool IsBadString(FieldDescriptor? field, ReadOnlySpan<byte> value) =>
        field is { FieldType: FieldType.String } && !Utf8.IsValid(value);

    private static RpcException NotUtf8(string field, ReadOnlySpan<byte> value)
    {
        Utf8.ToUtf16(value, new char[value.Length], out var at, out _, replaceInvalidSequences: false);
        var problem = $"It is no UTF-8: the byte 0x{value[at]:X2} at {at} begins no character. Encode the text as UTF-8.";
        return new Google.Rpc.Status { Code = (int)StatusCode.InvalidArgument, Message = $"{field}: {problem}" }
            .WithDetail(new BadRequest
            {
                FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = problem } }
            })
            .ToRpcException();
    }

    private static ulong ReadVarint(ref ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        var length = VarintLength(bytes);
        for (var i = 0; i < length; i++)
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
        bytes = bytes[length..];
        return value;
    }

    private static int VarintLength(ReadOnlySpan<byte> bytes)
    {
        var length = 1;
        while ((bytes[length - 1] & 0x80) != 0)
            length++;
        return length;
    }
}
