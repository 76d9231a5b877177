using Grpc.Core;
using Grpc.Testing;

namespace Serving.Testing;

/// <summary>A TestService whose handlers a test writes; what it does not write is UNIMPLEMENTED.</summary>
public sealed class ScriptedService : TestService.TestServiceBase
{
    public const string EmptyPath = "/grpc.testing.TestService/EmptyCall";
    public const string UnaryPath = "/grpc.testing.TestService/UnaryCall";
    public const string InputPath = "/grpc.testing.TestService/StreamingInputCall";
    public const string OutputPath = "/grpc.testing.TestService/StreamingOutputCall";
    public const string DuplexPath = "/grpc.testing.TestService/FullDuplexCall";

    public UnaryServerMethod<Empty, Empty>? OnEmpty { get; init; }

    public UnaryServerMethod<SimpleRequest, SimpleResponse>? OnUnary { get; init; }

    public ClientStreamingServerMethod<StreamingInputCallRequest, StreamingInputCallResponse>? OnInput { get; init; }

    public ServerStreamingServerMethod<StreamingOutputCallRequest, StreamingOutputCallResponse>? OnOutput { get; init; }

    public DuplexStreamingServerMethod<StreamingOutputCallRequest, StreamingOutputCallResponse>? OnDuplex { get; init; }

    public override Task<Empty> EmptyCall(Empty request, ServerCallContext context) =>
        OnEmpty is null ? base.EmptyCall(request, context) : OnEmpty(request, context);

    public override Task<SimpleResponse> UnaryCall(SimpleRequest request, ServerCallContext context) =>
        OnUnary is null ? base.UnaryCall(request, context) : OnUnary(request, context);

    public override Task<StreamingInputCallResponse> StreamingInputCall(
        IAsyncStreamReader<StreamingInputCallRequest> requestStream, ServerCallContext context) =>
        OnInput is null ? base.StreamingInputCall(requestStream, context) : OnInput(requestStream, context);

    public override Task StreamingOutputCall(
        StreamingOutputCallRequest request,
        IServerStreamWriter<StreamingOutputCallResponse> responseStream,
        ServerCallContext context) =>
        OnOutput is null
            ? base.StreamingOutputCall(request, responseStream, context)
            : OnOutput(request, responseStream, context);

    public override Task FullDuplexCall(
        IAsyncStreamReader<StreamingOutputCallRequest> requestStream,
        IServerStreamWriter<StreamingOutputCallResponse> responseStream,
        ServerCallContext context) =>
        OnDuplex is null
            ? base.FullDuplexCall(requestStream, responseStream, context)
            : OnDuplex(requestStream, responseStream, context);
}
