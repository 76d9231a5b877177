using Grpc.AspNetCore.Server.Internal;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps services to endpoints.</summary>
public static class GrpcEndpointRouteBuilderExtensions
{
    /// <summary>Serves each method of a service at POST /package.Service/Method.</summary>
    /// <typeparam name="TService">An implementation, derived from the base that protoc generated.</typeparam>
    /// <exception cref="InvalidOperationException">AddGrpc was not called, or the type is no generated service.</exception>
    public static GrpcServiceEndpointConventionBuilder MapGrpcService<TService>(this IEndpointRouteBuilder builder)
        where TService : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.ServiceProvider.GetService<RegisteredServices>() is not null
            ? new GrpcServiceEndpointConventionBuilder(ServiceEndpoints.Map<TService>(builder))
            : throw new InvalidOperationException("MapGrpcService needs AddGrpc: call builder.Services.AddGrpc() first.");
    }
}

/// <summary>Puts conventions, authorization for example, on the endpoints of a service.</summary>
public sealed class GrpcServiceEndpointConventionBuilder : IEndpointConventionBuilder
{
    private readonly IReadOnlyList<IEndpointConventionBuilder> _endpoints;

    internal GrpcServiceEndpointConventionBuilder(IReadOnlyList<IEndpointConventionBuilder> endpoints) =>
        _endpoints = endpoints;

    public void Add(Action<EndpointBuilder> convention)
    {
        foreach (var endpoint in _endpoints)
        {
            endpoint.Add(convention);
        }
    }
}
