using System.Diagnostics;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Serving.Server.Lifetime;
using Serving.Server.Telemetry;
using Serving.Storage;

namespace Serving.Server.Services;

/// <summary>
/// Around every call: whether the server is ready, the call's span and duration, and errors as clients see them.
/// </summary>
internal sealed class ServingInterceptor(
    Readiness readiness, ServerMetrics metrics, TimeProvider time, ILogger<ServingInterceptor> logger) : Interceptor
{
    private const string OwnServices = "/serving.v1.";

    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        // As RunAsync, without a closure: these are the calls that come by the thousand.
        var began = time.GetTimestamp();
        try
        {
            return Watch(Refusal(context) is { } refusal
                ? Task.FromException<TResponse>(refusal)
                : continuation(request, context), context, began);
        }
        catch (Exception exception)
        {
            return Watch(
                Task.FromException<TResponse>(exception is DomainException error ? Errors.Of(error) : exception),
                context,
                began);
        }
    }

    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        ServerCallContext context,
        ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, () => continuation(requestStream, context));

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, async () =>
        {
            await continuation(request, responseStream, context);
            return true;
        });

    public override Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream,
        IServerStreamWriter<TResponse> responseStream,
        ServerCallContext context,
        DuplexStreamingServerMethod<TRequest, TResponse> continuation) =>
        RunAsync(context, async () =>
        {
            await continuation(requestStream, responseStream, context);
            return true;
        });

    private Task<T> RunAsync<T>(ServerCallContext context, Func<Task<T>> handler)
    {
        var began = time.GetTimestamp();
        return Watch(Refusal(context) is { } refusal ? Task.FromException<T>(refusal) : Begin(handler), context, began);
    }

    /// <returns>Why a call is refused while the server starts; null if it is not.</returns>
    private RpcException? Refusal(ServerCallContext context) =>
        readiness.IsReady || !context.Method.StartsWith(OwnServices, StringComparison.Ordinal)
            ? null
            : Errors.Unavailable("The server is starting; retry, or watch its health.");

    private Task<T> Watch<T>(Task<T> running, ServerCallContext context, long began)
    {
        if (!running.IsFaulted || running.Exception.InnerException is not RpcException error)
            return FinishAsync(running, context, began);
        Note(context, error, began);
        return running; // Handed on without being thrown again: an overloaded server refuses more than it does.
    }

    private static Task<T> Begin<T>(Func<Task<T>> handler)
    {
        try
        {
            return handler();
        }
        catch (Exception exception)
        {
            return Task.FromException<T>(exception);
        }
    }

    private async Task<T> FinishAsync<T>(Task<T> running, ServerCallContext context, long began)
    {
        RpcException? failure = null;
        try
        {
            return await running;
        }
        catch (RpcException exception) when (Remember(exception, out failure))
        {
            throw; // Never reached: a status passes through without being caught and thrown again.
        }
        catch (Exception exception) when (IsMalformedRequest(exception))
        {
            failure = Errors.Internal($"The request's stream is no gRPC: {exception.Message}");
            throw failure;
        }
        catch (Exception exception)
        {
            failure = OfCall(exception, context);
            throw failure;
        }
        finally
        {
            Note(context, failure, began);
        }
    }

    /// <remarks>
    /// What a call fails at once nobody waits for it is no fault. The token alone does not tell: a deadline sets the
    /// status, completes the response (reads and writes throw from here on) and cancels the token last, and a client
    /// that goes breaks its request off before Kestrel cancels.
    /// </remarks>
    private RpcException OfCall(Exception exception, ServerCallContext context)
    {
        if (EngineErrors.IsExpected(exception))
            return EngineErrors.Of(exception);
        if (context.Status.StatusCode == StatusCode.DeadlineExceeded)
            return Errors.DeadlineExceeded("The deadline passed.");
        if (context.CancellationToken.IsCancellationRequested || IsBrokenOff(context))
            return EngineErrors.Of(new OperationCanceledException());
        logger.LogError(exception, "{Method} failed", context.Method);
        return EngineErrors.Of(exception);
    }

    /// <summary>Whether the request ended before its end.</summary>
    /// <remarks>
    /// Its exception is an IOException as any other, and the stack trace does not always say where it comes from. The
    /// request's body, asked again, does.
    /// </remarks>
    private static bool IsBrokenOff(ServerCallContext context)
    {
        var body = context.GetHttpContext().Request.BodyReader;
        try
        {
            if (body.TryRead(out var read))
                body.AdvanceTo(read.Buffer.Start);
            return false;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            return true;
        }
        catch (InvalidOperationException) // It is being read, or is read to its end.
        {
            return false;
        }
    }

    /// <summary>What Grpc.AspNetCore throws if a message has no valid prefix or is not compressed as it says.</summary>
    private static bool IsMalformedRequest(Exception exception) =>
        exception is IOException or InvalidDataException
        && exception.Source is "Grpc.AspNetCore.Server" or "System.IO.Compression";

    private static bool Remember(RpcException exception, out RpcException? failure)
    {
        failure = exception;
        return false;
    }

    private void Note(ServerCallContext context, RpcException? failure, long began)
    {
        if (failure is not null && context.GetHttpContext().Features.Get<CallFailure>() is { } noted)
            noted.Error = failure;
        var (path, status) = (context.Method, failure?.StatusCode ?? StatusCode.OK);
        var slash = path.LastIndexOf('/');
        var (service, method) = (path[1..slash], path[(slash + 1)..]);
        metrics.CallDone(service, method, (int)status, time.GetElapsedTime(began));
        if (Activity.Current is not { } span)
            return;
        span.DisplayName = path[1..];
        span.SetTag("rpc.system", "grpc");
        span.SetTag("rpc.service", service);
        span.SetTag("rpc.method", method);
        span.SetTag("rpc.grpc.status_code", (int)status);
        if (status is StatusCode.Unknown or StatusCode.Internal or StatusCode.Unavailable or StatusCode.DataLoss
            or StatusCode.Unimplemented or StatusCode.DeadlineExceeded)
            span.SetStatus(ActivityStatusCode.Error);
    }
}

/// <summary>How a call failed, on the requests of those who need to know.</summary>
internal sealed class CallFailure
{
    public RpcException? Error { get; set; }
}
