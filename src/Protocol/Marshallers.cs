using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Serving.Protocol;

namespace Serving.V1;

// The generated marshallers call `__Helper_DeserializeMessage(context, parser)`. These overloads have a higher
// priority, so that MessageParsing parses every message.

/// <content>How messages are parsed.</content>
public static partial class Classifier
{
    [OverloadResolutionPriority(1)]
    private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
        where T : class, IMessage<T> => MessageParsing.Parse(context, parser);
}

/// <content>How messages are parsed.</content>
public static partial class Tasks
{
    [OverloadResolutionPriority(1)]
    private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
        where T : class, IMessage<T> => MessageParsing.Parse(context, parser);
}

/// <content>How messages are parsed.</content>
public static partial class Models
{
    [OverloadResolutionPriority(1)]
    private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
        where T : class, IMessage<T> => MessageParsing.Parse(context, parser);
}

/// <content>How messages are parsed.</content>
public static partial class Datasets
{
    [OverloadResolutionPriority(1)]
    private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
        where T : class, IMessage<T> => MessageParsing.Parse(context, parser);
}

/// <content>How messages are parsed.</content>
public static partial class Jobs
{
    [OverloadResolutionPriority(1)]
    private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
        where T : class, IMessage<T> => MessageParsing.Parse(context, parser);
}
