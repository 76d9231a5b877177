using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Rpc.Services.Health;

/// <summary>Adds health checking to an application.</summary>
public static class HealthExtensions
{
    public static IServiceCollection AddGrpcHealth(this IServiceCollection services) => services
        .AddSingleton<HealthStatuses>()
        .AddSingleton<HealthService>()
        .AddHostedService<HealthLifetime>();

    public static GrpcServiceEndpointConventionBuilder MapGrpcHealth(this IEndpointRouteBuilder builder) =>
        builder.MapGrpcService<HealthService>();

    /// <summary>
    /// When the server has started, it and every mapped service serve, unless someone has said otherwise; when it stops,
    /// nothing does.
    /// </summary>
    private sealed class HealthLifetime(
        HealthStatuses statuses, EndpointDataSource endpoints, IHostApplicationLifetime lifetime) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            lifetime.ApplicationStarted.Register(() =>
            {
                var names = endpoints.Endpoints
                    .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.ServiceName)
                    .OfType<string>()
                    .Append(HealthStatuses.Server)
                    .Distinct(StringComparer.Ordinal);
                foreach (var name in names.Where(name => statuses.Find(name) is null))
                {
                    statuses.Set(name, ServingStatus.Serving);
                }
            });
            lifetime.ApplicationStopping.Register(statuses.ShutDown);
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
