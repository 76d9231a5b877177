using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Serves the calls of one method: from an HTTP request to a status.</summary>
internal abstract class ServerCallHandler<TService, TRequest, TResponse>(
    Method<TRequest, TResponse> method,
    MethodOptions options,
    ServiceActivator<TService> activator,
    TimeProvider timeProvider,
    ILogger logger)
    where TService : class
    where TRequest : class
    where TResponse : class
{
    protected Method<TRequest, TResponse> Method => method;

    public Task HandleAsync(HttpContext httpContext)
    {
        if (!RequestGuard.Accepts(httpContext))
        {
            return Task.CompletedTask;
        }

        // The limit on messages takes the place of the one on bodies; streams may also pause for as long as they like.
        if (httpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } bodySize)
        {
            bodySize.MaxRequestBodySize = null;
        }

        if (method.Type is MethodType.ClientStreaming or MethodType.DuplexStreaming
            && httpContext.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } bodyRate)
        {
            bodyRate.MinDataRate = null;
        }

        return RunAsync(httpContext);
    }

    protected abstract Task InvokeAsync(
        TService service, IReadOnlyList<Interceptor> interceptors, HttpContextServerCallContext call);

    protected MessageReader<TRequest> CreateReader(HttpContextServerCallContext call) => new(
        call.HttpContext.Request.BodyReader,
        method.RequestMarshaller.ContextualDeserializer,
        options.MaxReceiveMessageSize,
        call.RequestCompression,
        HttpContextServerCallContext.OnRequestLost);

    protected ValueTask<TRequest> ReadRequestAsync(HttpContextServerCallContext call) =>
        CreateReader(call).ReadSingleAsync(call.DeadlineToken);

    /// <summary>The status of a handler that returned no response.</summary>
    protected void WriteResponse(TResponse? response, HttpContextServerCallContext call)
    {
        if (response is not null)
        {
            call.WriteMessage(response, method.ResponseMarshaller.ContextualSerializer, writeOptions: null);
        }
        else if (call.Status.StatusCode == StatusCode.OK)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "The handler returned no response message."));
        }
    }

    /// <summary>The handler behind its interceptors, the first of which sees a call first.</summary>
    protected static TDelegate Compose<TDelegate>(
        TDelegate handler, IReadOnlyList<Interceptor> interceptors, Func<Interceptor, TDelegate, TDelegate> wrap)
    {
        for (var i = interceptors.Count - 1; i >= 0; i--)
        {
            handler = wrap(interceptors[i], handler);
        }

        return handler;
    }

    private async Task RunAsync(HttpContext httpContext)
    {
        var call = new HttpContextServerCallContext(httpContext, method, options, timeProvider, logger);
        try
        {
            call.Start();
            var service = activator.Get(httpContext, out var isOwned);
            List<Interceptor>? owned = null;
            try
            {
                await InvokeAsync(service, CreateInterceptors(httpContext, ref owned), call);
            }
            finally
            {
                foreach (var interceptor in owned ?? [])
                {
                    await ReleaseAsync(interceptor);
                }

                if (isOwned)
                {
                    await ReleaseAsync(service);
                }
            }

            call.End();
        }
        catch (Exception exception)
        {
            call.Fail(exception);
        }
        finally
        {
            await call.DisposeAsync();
        }
    }

    private IReadOnlyList<Interceptor> CreateInterceptors(HttpContext httpContext, ref List<Interceptor>? owned)
    {
        if (options.Interceptors.Count == 0)
        {
            return [];
        }

        var interceptors = new Interceptor[options.Interceptors.Count];
        for (var i = 0; i < interceptors.Length; i++)
        {
            (interceptors[i], var isOwned) = options.Interceptors[i].Create(httpContext.RequestServices);
            if (isOwned)
            {
                (owned ??= []).Add(interceptors[i]);
            }
        }

        return interceptors;
    }

    private static ValueTask ReleaseAsync(object instance)
    {
        switch (instance)
        {
            case IAsyncDisposable disposable:
                return disposable.DisposeAsync();
            case IDisposable disposable:
                disposable.Dispose();
                break;
        }

        return ValueTask.CompletedTask;
    }
}
