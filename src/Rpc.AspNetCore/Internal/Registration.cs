using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Says that AddGrpc was called, and where the catch-all for unknown calls is mapped.</summary>
internal sealed class GrpcMarker
{
    private readonly ConditionalWeakTable<ICollection<EndpointDataSource>, object> _mapped = [];

    /// <summary>True the first time for each set of endpoints.</summary>
    public bool TryMapUnimplemented(ICollection<EndpointDataSource> dataSources) => _mapped.TryAdd(dataSources, this);
}

/// <summary>What the container was told of services, so that their lifetime is known without asking for one.</summary>
internal sealed class RegisteredServices(IServiceCollection services)
{
    public ServiceLifetime? LifetimeOf(Type type) =>
        services.LastOrDefault(service => service.ServiceType == type && !service.IsKeyedService)?.Lifetime;
}
