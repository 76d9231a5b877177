using System.Diagnostics;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Serving.Client;

/// <summary>Gives unary calls a deadline if they have none, and every call a span.</summary>
internal sealed class CallDefaults(TimeSpan timeout, TimeProvider time) : Interceptor
{
    public static readonly ActivitySource Source = new("Serving.Client");

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        BlockingUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var span = new CallSpan(context.Method);
        try
        {
            var response = span.Run(
                WithDeadline(context.Options),
                traced => continuation(request, new(context.Method, context.Host, traced)));
            span.End(StatusCode.OK);
            return response;
        }
        catch (RpcException exception)
        {
            span.End(exception.StatusCode);
            throw;
        }
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var span = new CallSpan(context.Method);
        var call = span.Run(
            WithDeadline(context.Options), traced => continuation(request, new(context.Method, context.Host, traced)));
        return new(
            span.EndAsync(call.ResponseAsync),
            call.ResponseHeadersAsync,
            call.GetStatus,
            call.GetTrailers,
            call.Dispose);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncServerStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var span = new CallSpan(context.Method);
        var call = span.Run(
            context.Options, traced => continuation(request, new(context.Method, context.Host, traced)));
        return new(
            new SpanReader<TResponse>(call.ResponseStream, span),
            call.ResponseHeadersAsync,
            call.GetStatus,
            call.GetTrailers,
            () => span.End(call.Dispose));
    }

    public override AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncClientStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var span = new CallSpan(context.Method);
        var call = span.Run(context.Options, traced => continuation(new(context.Method, context.Host, traced)));
        return new(
            call.RequestStream,
            span.EndAsync(call.ResponseAsync),
            call.ResponseHeadersAsync,
            call.GetStatus,
            call.GetTrailers,
            call.Dispose);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var span = new CallSpan(context.Method);
        var call = span.Run(context.Options, traced => continuation(new(context.Method, context.Host, traced)));
        return new(
            call.RequestStream,
            new SpanReader<TResponse>(call.ResponseStream, span),
            call.ResponseHeadersAsync,
            call.GetStatus,
            call.GetTrailers,
            () => span.End(call.Dispose));
    }

    private CallOptions WithDeadline(CallOptions options) => options.Deadline is null
        ? options.WithDeadline((time.GetUtcNow() + timeout).UtcDateTime)
        : options;

    /// <summary>The span of one call; nothing if nobody listens.</summary>
    private sealed class CallSpan(IMethod method)
    {
        private Activity? _span;

        /// <summary>
        /// Starts the call inside the span, whose context it carries; the caller's own span stays the current one.
        /// </summary>
        public T Run<T>(CallOptions options, Func<CallOptions, T> start)
        {
            var caller = Activity.Current;
            _span = Source.StartActivity(method.FullName[1..], ActivityKind.Client);
            _span?.SetTag("rpc.system", "grpc");
            _span?.SetTag("rpc.service", method.ServiceName);
            _span?.SetTag("rpc.method", method.Name);
            try
            {
                return start(_span is null ? options : options.WithHeaders(Headers(options.Headers, _span)));
            }
            finally
            {
                Activity.Current = caller;
            }
        }

        /// <summary>
        /// The call's own headers and the span's context: that of the HTTP request below it is nobody's parent.
        /// </summary>
        private static Metadata Headers(Metadata? own, Activity span)
        {
            var headers = new Metadata();
            foreach (var entry in own ?? [])
                headers.Add(entry);
            DistributedContextPropagator.Current.Inject(
                span,
                headers,
                static (carrier, name, value) => ((Metadata)carrier!).Add(name.ToLowerInvariant(), value));
            return headers;
        }

        public Task<T> EndAsync<T>(Task<T> response) => _span is null ? response : EndTracedAsync(response);

        private async Task<T> EndTracedAsync<T>(Task<T> response)
        {
            try
            {
                var result = await response.ConfigureAwait(false);
                End(StatusCode.OK);
                return result;
            }
            catch (RpcException exception)
            {
                End(exception.StatusCode);
                throw;
            }
        }

        public void End(Action dispose)
        {
            dispose();
            End(StatusCode.Cancelled);
        }

        public void End(StatusCode status)
        {
            if (Interlocked.Exchange(ref _span, null) is not { } span)
                return;
            span.SetTag("rpc.grpc.status_code", (int)status);
            if (status != StatusCode.OK)
                span.SetStatus(ActivityStatusCode.Error);
            span.Stop();
        }
    }

    private sealed class SpanReader<T>(IAsyncStreamReader<T> inner, CallSpan span) : IAsyncStreamReader<T>
    {
        public T Current => inner.Current;

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            try
            {
                var hasNext = await inner.MoveNext(cancellationToken).ConfigureAwait(false);
                if (!hasNext)
                    span.End(StatusCode.OK);
                return hasNext;
            }
            catch (RpcException exception)
            {
                span.End(exception.StatusCode);
                throw;
            }
        }
    }
}
