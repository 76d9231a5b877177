using System.Text.Unicode;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.Core;

namespace Serving.Protocol;

/// <summary>Parses messages; one that can't be parsed is a status that says why.</summary>
internal static class MessageParsing
{
    /// <exception cref="RpcException">
    /// INVALID_ARGUMENT: a string is no UTF-8; the field is named. INTERNAL: the bytes are no message of this type.
    /// </exception>
    public static T Parse<T>(DeserializationContext context, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        var payload = context.PayloadAsReadOnlySequence();
        try
        {
            return parser.ParseFrom(payload);
        }
        catch (InvalidProtocolBufferException exception)
        {
            var bytes = new byte[payload.Length];
            System.Buffers.BuffersExtensions.CopyTo(payload, bytes);
            throw FindBadString(new(bytes), parser)
                ?? new RpcException(
                    new(StatusCode.Internal, $"The message is no {typeof(T).Name}: {exception.Message}"));
        }
    }

    private static RpcException? FindBadString<T>(CodedInputStream input, MessageParser<T> parser)
        where T : class, IMessage<T>
    {
        try
        {
            return FindBadString(input, parser.ParseFrom(ByteString.Empty).Descriptor, path: "");
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static RpcException? FindBadString(CodedInputStream input, MessageDescriptor type, string path)
    {
        var counts = new Dictionary<FieldDescriptor, int>();
        while (input.ReadTag() is var tag && tag != 0)
        {
            if (WireFormat.GetTagWireType(tag) != WireFormat.WireType.LengthDelimited
                || type.FindFieldByNumber(WireFormat.GetTagFieldNumber(tag)) is not { } field)
            {
                input.SkipLastField();
                continue;
            }

            var index = counts.GetValueOrDefault(field);
            counts[field] = index + 1;
            var name = field.IsRepeated ? $"{path}{field.Name}[{index}]" : path + field.Name;
            var value = input.ReadBytes();
            if (field.FieldType == FieldType.String && !Utf8.IsValid(value.Span))
                return NotUtf8(name, value.Span);
            if (field.FieldType == FieldType.Message
                && FindBadString(value.CreateCodedInput(), field.MessageType, name + ".") is { } problem)
                return problem;
        }

        return null;
    }

    private static RpcException NotUtf8(string field, ReadOnlySpan<byte> value)
    {
        Utf8.ToUtf16(value, new char[value.Length], out var at, out _, replaceInvalidSequences: false);
        var problem = $"It is no UTF-8: the byte 0x{value[at]:X2} at {at} begins no character. "
            + "Encode the text as UTF-8.";
        return new Google.Rpc.Status { Code = (int)StatusCode.InvalidArgument, Message = $"{field}: {problem}" }
            .WithDetail(new BadRequest
            {
                FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = problem } }
            })
            .ToRpcException();
    }
}
