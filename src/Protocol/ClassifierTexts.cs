using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Serving.Protocol;

namespace Serving.V1;

/// <content>
/// The generated marshallers call `__Helper_DeserializeMessage(context, parser)`. These overloads fit the requests with
/// texts better than the generic ones and so take their place.
/// </content>
public static partial class Classifier
{
    [OverloadResolutionPriority(1)]
    private static ClassifyRequest __Helper_DeserializeMessage(DeserializationContext context, MessageParser<ClassifyRequest> parser) =>
        StrictUtf8.Parse(context, parser);

    [OverloadResolutionPriority(1)]
    private static ClassifyStreamRequest __Helper_DeserializeMessage(
        DeserializationContext context, MessageParser<ClassifyStreamRequest> parser) => StrictUtf8.Parse(context, parser);

    [OverloadResolutionPriority(1)]
    private static EncodeRequest __Helper_DeserializeMessage(DeserializationContext context, MessageParser<EncodeRequest> parser) =>
        StrictUtf8.Parse(context, parser);

    [OverloadResolutionPriority(1)]
    private static TokenizeRequest __Helper_DeserializeMessage(DeserializationContext context, MessageParser<TokenizeRequest> parser) =>
        StrictUtf8.Parse(context, parser);
}
