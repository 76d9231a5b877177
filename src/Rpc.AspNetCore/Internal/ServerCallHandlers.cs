using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

internal delegate Task<TResponse> UnaryHandler<TService, TRequest, TResponse>(
    TService service, TRequest request, ServerCallContext context);

internal delegate Task<TResponse> ClientStreamingHandler<TService, TRequest, TResponse>(
    TService service, IAsyncStreamReader<TRequest> requests, ServerCallContext context);

internal delegate Task ServerStreamingHandler<TService, TRequest, TResponse>(
    TService service, TRequest request, IServerStreamWriter<TResponse> responses, ServerCallContext context);

internal delegate Task DuplexStreamingHandler<TService, TRequest, TResponse>(
    TService service,
    IAsyncStreamReader<TRequest> requests,
    IServerStreamWriter<TResponse> responses,
    ServerCallContext context);

internal sealed class UnaryCallHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    MethodOptions options,
    ServiceActivator<TService> activator,
    TimeProvider timeProvider,
    ILogger logger,
    UnaryHandler<TService, TRequest, TResponse> handler)
    : ServerCallHandler<TService, TRequest, TResponse>(method, options, activator, timeProvider, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    protected override async Task InvokeAsync(
        TService service, IReadOnlyList<Interceptor> interceptors, HttpContextServerCallContext call)
    {
        var request = await ReadRequestAsync(call);
        var response = interceptors.Count == 0
            ? handler(service, request, call)
            : Compose<UnaryServerMethod<TRequest, TResponse>>(
                (message, context) => handler(service, message, context),
                interceptors,
                static (interceptor, next) => (message, context) => interceptor.UnaryServerHandler(message, context, next))(request, call);

        // A failure is not thrown again: a server under overload refuses more calls than it serves, and exceptions cost.
        await ((Task)response).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (response.Exception?.InnerException is { } exception)
        {
            call.Fail(exception);
        }
        else
        {
            WriteResponse(await response, call);
        }
    }
}

internal sealed class ClientStreamingCallHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    MethodOptions options,
    ServiceActivator<TService> activator,
    TimeProvider timeProvider,
    ILogger logger,
    ClientStreamingHandler<TService, TRequest, TResponse> handler)
    : ServerCallHandler<TService, TRequest, TResponse>(method, options, activator, timeProvider, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    protected override async Task InvokeAsync(
        TService service, IReadOnlyList<Interceptor> interceptors, HttpContextServerCallContext call)
    {
        var chain = Compose<ClientStreamingServerMethod<TRequest, TResponse>>(
            (stream, context) => handler(service, stream, context),
            interceptors,
            static (interceptor, next) =>
                (stream, context) => interceptor.ClientStreamingServerHandler(stream, context, next));
        WriteResponse(await chain(new RequestStreamReader<TRequest>(CreateReader(call), call), call), call);
    }
}

internal sealed class ServerStreamingCallHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    MethodOptions options,
    ServiceActivator<TService> activator,
    TimeProvider timeProvider,
    ILogger logger,
    ServerStreamingHandler<TService, TRequest, TResponse> handler)
    : ServerCallHandler<TService, TRequest, TResponse>(method, options, activator, timeProvider, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    protected override async Task InvokeAsync(
        TService service, IReadOnlyList<Interceptor> interceptors, HttpContextServerCallContext call)
    {
        var request = await ReadRequestAsync(call);
        var chain = Compose<ServerStreamingServerMethod<TRequest, TResponse>>(
            (message, stream, context) => handler(service, message, stream, context),
            interceptors,
            static (interceptor, next) =>
                (message, stream, context) => interceptor.ServerStreamingServerHandler(message, stream, context, next));
        await chain(request, new ResponseStreamWriter<TResponse>(Method.ResponseMarshaller.ContextualSerializer, call), call);
    }
}

internal sealed class DuplexStreamingCallHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    MethodOptions options,
    ServiceActivator<TService> activator,
    TimeProvider timeProvider,
    ILogger logger,
    DuplexStreamingHandler<TService, TRequest, TResponse> handler)
    : ServerCallHandler<TService, TRequest, TResponse>(method, options, activator, timeProvider, logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    protected override Task InvokeAsync(
        TService service, IReadOnlyList<Interceptor> interceptors, HttpContextServerCallContext call)
    {
        var chain = Compose<DuplexStreamingServerMethod<TRequest, TResponse>>(
            (requests, responses, context) => handler(service, requests, responses, context),
            interceptors,
            static (interceptor, next) =>
                (requests, responses, context) =>
                    interceptor.DuplexStreamingServerHandler(requests, responses, context, next));
        return chain(
            new RequestStreamReader<TRequest>(CreateReader(call), call),
            new ResponseStreamWriter<TResponse>(Method.ResponseMarshaller.ContextualSerializer, call),
            call);
    }
}
