using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>Starts the calls of a channel.</summary>
internal sealed class HttpClientCallInvoker(GrpcChannel channel) : CallInvoker
{
    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        using var call = AsyncUnaryCall(method, host, options, request);
        return call.ResponseAsync.GetAwaiter().GetResult();
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var attempts = new CallAttempts<TRequest, TResponse>(channel, method, host, options);
        return new AsyncUnaryCall<TResponse>(
            attempts.RunUnaryAsync(request), Headers, GetStatus, GetTrailers, Dispose, attempts);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var attempts = new CallAttempts<TRequest, TResponse>(channel, method, host, options);
        return new AsyncServerStreamingCall<TResponse>(
            new ResponseStreamReader<TRequest, TResponse>(attempts.OpenAsync(request)),
            Headers, GetStatus, GetTrailers, Dispose, attempts);
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var attempts = new CallAttempts<TRequest, TResponse>(channel, method, host, options);
        var content = new StreamingContent();
        var opened = attempts.OpenStreamAsync(content);
        return new AsyncClientStreamingCall<TRequest, TResponse>(
            new RequestStreamWriter<TRequest, TResponse>(attempts.Current, content),
            ReadSingleAsync(opened),
            Headers, GetStatus, GetTrailers, Dispose, attempts);

        static async Task<TResponse> ReadSingleAsync(Task<GrpcCall<TRequest, TResponse>> opened)
        {
            var call = await opened;
            return await call.ReadSingleAsync() ?? throw call.ToException();
        }
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        var attempts = new CallAttempts<TRequest, TResponse>(channel, method, host, options);
        var content = new StreamingContent();
        var opened = attempts.OpenStreamAsync(content);
        return new AsyncDuplexStreamingCall<TRequest, TResponse>(
            new RequestStreamWriter<TRequest, TResponse>(attempts.Current, content),
            new ResponseStreamReader<TRequest, TResponse>(opened),
            Headers, GetStatus, GetTrailers, Dispose, attempts);
    }

    private static Task<Metadata> Headers(object call) => ((ICallAttempts)call).ResponseHeadersAsync;

    private static Status GetStatus(object call) => ((ICallAttempts)call).RequireOutcome().Status;

    private static Metadata GetTrailers(object call) => ((ICallAttempts)call).RequireOutcome().Trailers;

    private static void Dispose(object call) => ((ICallAttempts)call).Dispose();
}
