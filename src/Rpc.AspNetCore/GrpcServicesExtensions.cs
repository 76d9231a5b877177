using Grpc.AspNetCore.Server;
using Grpc.AspNetCore.Server.Internal;
using Grpc.Net.Compression;
using Grpc.Wire;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>What AddGrpc returns.</summary>
public interface IGrpcServerBuilder
{
    IServiceCollection Services { get; }
}

/// <summary>Adds gRPC to an application.</summary>
public static class GrpcServicesExtensions
{
    public static IGrpcServerBuilder AddGrpc(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddRouting();
        services.AddOptions();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(new RegisteredServices(services));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, UnimplementedCalls>());
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IPostConfigureOptions<GrpcServiceOptions>, DefaultCompressionProviders>());
        return new Builder(services);
    }

    public static IGrpcServerBuilder AddGrpc(this IServiceCollection services, Action<GrpcServiceOptions> configureOptions)
    {
        ArgumentNullException.ThrowIfNull(configureOptions);
        services.Configure(configureOptions);
        return services.AddGrpc();
    }

    /// <summary>Options of one service, over those of all.</summary>
    public static IGrpcServerBuilder AddServiceOptions<TService>(
        this IGrpcServerBuilder grpcBuilder, Action<GrpcServiceOptions<TService>> configure)
        where TService : class
    {
        ArgumentNullException.ThrowIfNull(grpcBuilder);
        grpcBuilder.Services.Configure(configure);
        return grpcBuilder;
    }

    private sealed class Builder(IServiceCollection services) : IGrpcServerBuilder
    {
        public IServiceCollection Services { get; } = services;
    }

    private sealed class DefaultCompressionProviders : IPostConfigureOptions<GrpcServiceOptions>
    {
        public void PostConfigure(string? name, GrpcServiceOptions options)
        {
            if (options.CompressionProviders.Count == 0)
            {
                foreach (var provider in MessageCompression.DefaultProviders)
                {
                    options.CompressionProviders.Add(provider);
                }
            }
        }
    }
}
