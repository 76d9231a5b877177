using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>What the container was told of services, so that their lifetime is known without asking for one.</summary>
internal sealed class RegisteredServices(IServiceCollection services)
{
    public ServiceLifetime? LifetimeOf(Type type) =>
        services.LastOrDefault(service => service.ServiceType == type && !service.IsKeyedService)?.Lifetime;
}
