using System.Buffers;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Serving.Protocol;

namespace Serving.Protocol
{
    /// <summary>Parses messages so that what is none costs its call a status that says so, and is no failure of ours.</summary>
    internal static class WellFormed
    {
        /// <exception cref="RpcException">INTERNAL: it is no message of this type.</exception>
        public static T Parse<T>(ReadOnlySequence<byte> payload, MessageParser<T> parser)
            where T : class, IMessage<T>
        {
            try
            {
                return parser.ParseFrom(payload);
            }
            catch (InvalidProtocolBufferException exception)
            {
                throw new RpcException(new Status(
                    StatusCode.Internal, $"The message is no {typeof(T).Name}: {exception.Message}", exception));
            }
        }
    }
}

// The generated marshallers call `__Helper_DeserializeMessage(context, parser)`, which these overloads come before.
namespace Serving.V1
{
    public static partial class Classifier
    {
        [OverloadResolutionPriority(1)]
        private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
            where T : class, IMessage<T> => WellFormed.Parse(context.PayloadAsReadOnlySequence(), parser);
    }

    public static partial class Tasks
    {
        [OverloadResolutionPriority(1)]
        private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
            where T : class, IMessage<T> => WellFormed.Parse(context.PayloadAsReadOnlySequence(), parser);
    }

    public static partial class Models
    {
        [OverloadResolutionPriority(1)]
        private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
            where T : class, IMessage<T> => WellFormed.Parse(context.PayloadAsReadOnlySequence(), parser);
    }

    public static partial class Datasets
    {
        [OverloadResolutionPriority(1)]
        private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
            where T : class, IMessage<T> => WellFormed.Parse(context.PayloadAsReadOnlySequence(), parser);
    }

    public static partial class Jobs
    {
        [OverloadResolutionPriority(1)]
        private static T __Helper_DeserializeMessage<T>(DeserializationContext context, MessageParser<T> parser, int _ = 0)
            where T : class, IMessage<T> => WellFormed.Parse(context.PayloadAsReadOnlySequence(), parser);
    }
}
