using System.Reflection;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Makes the endpoints of a service from what protoc generated for it.</summary>
internal static class ServiceEndpoints
{
    private const string LoggerCategory = "Grpc.AspNetCore.Server.ServerCallHandler";

    public static IReadOnlyList<IEndpointConventionBuilder> Map<TService>(IEndpointRouteBuilder builder)
        where TService : class
    {
        var binder = new Binder<TService>(builder);
        var bind = FindBindMethod(typeof(TService));
        bind.Invoke(null, [binder, null]);
        return binder.Endpoints;
    }

    /// <summary>The static BindService(ServiceBinderBase, TBase) beside the generated base class.</summary>
    private static MethodInfo FindBindMethod(Type serviceType)
    {
        for (var type = serviceType; type is not null; type = type.BaseType)
        {
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is { } attribute)
            {
                return attribute.BindType.GetMethod(
                    attribute.BindMethodName,
                    BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static,
                    [typeof(ServiceBinderBase), type])
                    ?? throw new InvalidOperationException(
                        $"{attribute.BindType}.{attribute.BindMethodName}, named by {type}, is missing; generate it anew.");
            }
        }

        throw new InvalidOperationException(
            $"{serviceType} is no gRPC service; derive it from the ...Base class that protoc generated.");
    }

    private sealed class Binder<TService> : ServiceBinderBase
        where TService : class
    {
        private readonly IEndpointRouteBuilder _builder;
        private readonly ServiceActivator<TService> _activator;
        private readonly MethodOptions _options;
        private readonly TimeProvider _timeProvider;
        private readonly ILogger _logger;
        private readonly List<IEndpointConventionBuilder> _endpoints = [];

        public Binder(IEndpointRouteBuilder builder)
        {
            var services = builder.ServiceProvider;
            _builder = builder;
            _activator = new ServiceActivator<TService>(services);
            _options = MethodOptions.Resolve(
                services.GetRequiredService<IOptions<GrpcServiceOptions>>().Value,
                services.GetRequiredService<IOptions<GrpcServiceOptions<TService>>>().Value);
            _timeProvider = services.GetRequiredService<TimeProvider>();
            _logger = services.GetRequiredService<ILoggerFactory>().CreateLogger(LoggerCategory);
        }

        public IReadOnlyList<IEndpointConventionBuilder> Endpoints => _endpoints;

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
        {
            var implementation = Find(method, typeof(TRequest), typeof(ServerCallContext));
            AddEndpoint(method, implementation, new UnaryCallHandler<TService, TRequest, TResponse>(
                method, _options, _activator, _timeProvider, _logger,
                implementation.CreateDelegate<UnaryHandler<TService, TRequest, TResponse>>()).HandleAsync);
        }

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
        {
            var implementation = Find(method, typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext));
            AddEndpoint(method, implementation, new ClientStreamingCallHandler<TService, TRequest, TResponse>(
                method, _options, _activator, _timeProvider, _logger,
                implementation.CreateDelegate<ClientStreamingHandler<TService, TRequest, TResponse>>()).HandleAsync);
        }

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
        {
            var implementation = Find(
                method, typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
            AddEndpoint(method, implementation, new ServerStreamingCallHandler<TService, TRequest, TResponse>(
                method, _options, _activator, _timeProvider, _logger,
                implementation.CreateDelegate<ServerStreamingHandler<TService, TRequest, TResponse>>()).HandleAsync);
        }

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
        {
            var implementation = Find(
                method,
                typeof(IAsyncStreamReader<TRequest>),
                typeof(IServerStreamWriter<TResponse>),
                typeof(ServerCallContext));
            AddEndpoint(method, implementation, new DuplexStreamingCallHandler<TService, TRequest, TResponse>(
                method, _options, _activator, _timeProvider, _logger,
                implementation.CreateDelegate<DuplexStreamingHandler<TService, TRequest, TResponse>>()).HandleAsync);
        }

        private static MethodInfo Find(IMethod method, params Type[] parameters) =>
            typeof(TService).GetMethod(method.Name, BindingFlags.Public | BindingFlags.Instance, parameters)
            ?? throw new InvalidOperationException(
                $"{typeof(TService)} has no method {method.Name}({string.Join(", ", parameters.Select(p => p.Name))}) " +
                $"for {method.FullName}.");

        private void AddEndpoint(IMethod method, MethodInfo implementation, RequestDelegate handle)
        {
            var endpoint = _builder.MapMethods(method.FullName, [HttpMethods.Post], handle);
            endpoint.Add(route =>
            {
                route.DisplayName = $"gRPC - {method.FullName}";
                foreach (var attribute in typeof(TService).GetCustomAttributes(inherit: true))
                {
                    route.Metadata.Add(attribute);
                }

                foreach (var attribute in implementation.GetCustomAttributes(inherit: true))
                {
                    route.Metadata.Add(attribute);
                }

                route.Metadata.Add(new GrpcMethodMetadata(typeof(TService), method));
            });
            _endpoints.Add(endpoint);
        }
    }
}
