using Google.Protobuf;
using Grpc.Core;
using ProtocolAlpha = Grpc.Reflection.V1Alpha;
using ProtocolV1 = Grpc.Reflection.V1;

namespace Serving.Rpc.Services.Reflection;

/// <summary>grpc.reflection.v1.ServerReflection.</summary>
internal sealed class ReflectionService(ReflectionAnswers answers) : ProtocolV1.ServerReflection.ServerReflectionBase
{
    public override async Task ServerReflectionInfo(
        IAsyncStreamReader<ProtocolV1.ServerReflectionRequest> requestStream,
        IServerStreamWriter<ProtocolV1.ServerReflectionResponse> responseStream,
        ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            await responseStream.WriteAsync(answers.Answer(requestStream.Current));
        }
    }
}

/// <summary>grpc.reflection.v1alpha.ServerReflection: the same messages, byte for byte, under their old name.</summary>
internal sealed class ReflectionAlphaService(ReflectionAnswers answers) : ProtocolAlpha.ServerReflection.ServerReflectionBase
{
    public override async Task ServerReflectionInfo(
        IAsyncStreamReader<ProtocolAlpha.ServerReflectionRequest> requestStream,
        IServerStreamWriter<ProtocolAlpha.ServerReflectionResponse> responseStream,
        ServerCallContext context)
    {
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            var request = ProtocolV1.ServerReflectionRequest.Parser.ParseFrom(requestStream.Current.ToByteString());
            var response = answers.Answer(request).ToByteString();
            await responseStream.WriteAsync(ProtocolAlpha.ServerReflectionResponse.Parser.ParseFrom(response));
        }
    }
}
