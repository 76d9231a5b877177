using Google.Protobuf;
using Grpc.Core;
using Grpc.Testing;

namespace Serving.InteropHost;

/// <summary>grpc.testing.TestService as the public interop description defines it; UnimplementedCall stays unimplemented.</summary>
public sealed class TestServiceImplementation(TimeProvider timeProvider) : TestService.TestServiceBase
{
    private const string EchoInitialHeader = "x-grpc-test-echo-initial";
    private const string EchoTrailingHeader = "x-grpc-test-echo-trailing-bin";
    private const string EncodingRequestHeader = "grpc-internal-encoding-request";

    private static readonly Task<Empty> EmptyResponse = Task.FromResult(new Empty());

    public override Task<Empty> EmptyCall(Empty request, ServerCallContext context) =>
        context.RequestHeaders.Get(EchoInitialHeader) is null ? EmptyResponse : EchoEmptyAsync(context);

    public override async Task<SimpleResponse> UnaryCall(SimpleRequest request, ServerCallContext context)
    {
        await EchoMetadataAsync(context, request.ResponseCompressed?.Value ?? false);
        CheckCompressed(request.ExpectCompressed, CountingGzipProvider.ReceivedCompressed > 0);
        ThrowIfStatusIsAskedFor(request.ResponseStatus);
        SetCompressed(context, request.ResponseCompressed);
        return new SimpleResponse { Payload = CreatePayload(request.ResponseSize) };
    }

    public override Task<SimpleResponse> CacheableUnaryCall(SimpleRequest request, ServerCallContext context) =>
        UnaryCall(request, context);

    public override async Task StreamingOutputCall(
        StreamingOutputCallRequest request,
        IServerStreamWriter<StreamingOutputCallResponse> responseStream,
        ServerCallContext context)
    {
        var compresses = request.ResponseParameters.Any(parameters => parameters.Compressed?.Value ?? false);
        await EchoMetadataAsync(context, compresses);
        await RespondAsync(request, responseStream, context);
    }

    public override async Task<StreamingInputCallResponse> StreamingInputCall(
        IAsyncStreamReader<StreamingInputCallRequest> requestStream, ServerCallContext context)
    {
        await EchoMetadataAsync(context, compresses: false);
        var response = new StreamingInputCallResponse();
        var compressedBefore = 0;
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            var compressed = CountingGzipProvider.ReceivedCompressed;
            CheckCompressed(requestStream.Current.ExpectCompressed, compressed > compressedBefore);
            compressedBefore = compressed;
            response.AggregatedPayloadSize += requestStream.Current.Payload?.Body.Length ?? 0;
        }

        return response;
    }

    public override async Task FullDuplexCall(
        IAsyncStreamReader<StreamingOutputCallRequest> requestStream,
        IServerStreamWriter<StreamingOutputCallResponse> responseStream,
        ServerCallContext context)
    {
        await EchoMetadataAsync(context, compresses: false);
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            await RespondAsync(requestStream.Current, responseStream, context);
        }
    }

    public override async Task HalfDuplexCall(
        IAsyncStreamReader<StreamingOutputCallRequest> requestStream,
        IServerStreamWriter<StreamingOutputCallResponse> responseStream,
        ServerCallContext context)
    {
        await EchoMetadataAsync(context, compresses: false);
        var requests = new List<StreamingOutputCallRequest>();
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            requests.Add(requestStream.Current);
        }

        foreach (var request in requests)
        {
            await RespondAsync(request, responseStream, context);
        }
    }

    private static async Task<Empty> EchoEmptyAsync(ServerCallContext context)
    {
        await EchoMetadataAsync(context, compresses: false);
        return await EmptyResponse;
    }

    /// <summary>Sends back the two echo headers, and says in the response headers when messages may be compressed.</summary>
    private static async Task EchoMetadataAsync(ServerCallContext context, bool compresses)
    {
        var headers = new Metadata();
        if (context.RequestHeaders.GetValue(EchoInitialHeader) is { } initial)
        {
            headers.Add(EchoInitialHeader, initial);
        }

        if (compresses)
        {
            headers.Add(EncodingRequestHeader, "gzip");
        }

        if (context.RequestHeaders.GetValueBytes(EchoTrailingHeader) is { } trailing)
        {
            context.ResponseTrailers.Add(EchoTrailingHeader, trailing);
        }

        if (headers.Count > 0)
        {
            await context.WriteResponseHeadersAsync(headers);
        }
    }

    private static void CheckCompressed(BoolValue? expected, bool isCompressed)
    {
        if (expected is not null && expected.Value != isCompressed)
        {
            throw new RpcException(new Status(
                StatusCode.InvalidArgument,
                $"The message came {(isCompressed ? "compressed" : "uncompressed")}, expect_compressed is {expected.Value}."));
        }
    }

    private static void ThrowIfStatusIsAskedFor(EchoStatus? status)
    {
        if (status is not null && status.Code != 0)
        {
            throw new RpcException(new Status((StatusCode)status.Code, status.Message));
        }
    }

    private static void SetCompressed(ServerCallContext context, BoolValue? compressed) =>
        context.WriteOptions = new WriteOptions(compressed?.Value == true ? WriteFlags.None : WriteFlags.NoCompress);

    private static Payload CreatePayload(int size)
    {
        if (size < 0)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"A size of {size} bytes is impossible."));
        }

        return new Payload { Body = UnsafeByteOperations.UnsafeWrap(new byte[size]) };
    }

    private async Task RespondAsync(
        StreamingOutputCallRequest request,
        IServerStreamWriter<StreamingOutputCallResponse> responses,
        ServerCallContext context)
    {
        foreach (var parameters in request.ResponseParameters)
        {
            if (parameters.IntervalUs > 0)
            {
                await Task.Delay(
                    TimeSpan.FromMicroseconds(parameters.IntervalUs), timeProvider, context.CancellationToken);
            }

            SetCompressed(context, parameters.Compressed);
            await responses.WriteAsync(new StreamingOutputCallResponse { Payload = CreatePayload(parameters.Size) });
        }

        ThrowIfStatusIsAskedFor(request.ResponseStatus);
    }
}
