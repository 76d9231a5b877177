using System.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Serving.Rpc.Services.Reflection;

/// <summary>Adds server reflection, v1 and v1alpha, to an application.</summary>
public static class ReflectionExtensions
{
    public static IServiceCollection AddGrpcReflection(this IServiceCollection services) => services
        .AddSingleton(provider => new ReflectionAnswers(
            new DescriptorIndex(FindServices(provider.GetRequiredService<EndpointDataSource>()))))
        .AddScoped<ReflectionService>()
        .AddScoped<ReflectionAlphaService>();

    /// <summary>Every service that is mapped, before or after this, is found.</summary>
    public static void MapGrpcReflection(this IEndpointRouteBuilder builder)
    {
        builder.MapGrpcService<ReflectionService>();
        builder.MapGrpcService<ReflectionAlphaService>();
    }

    private static IEnumerable<ServiceDescriptor> FindServices(EndpointDataSource endpoints) => endpoints.Endpoints
        .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType)
        .OfType<Type>()
        .Distinct()
        .Select(FindDescriptor)
        .OfType<ServiceDescriptor>();

    /// <summary>The static Descriptor that protoc generates beside a service's base class.</summary>
    private static ServiceDescriptor? FindDescriptor(Type serviceType)
    {
        var bind = serviceType.GetCustomAttribute<BindServiceMethodAttribute>(inherit: true);
        var property = bind?.BindType.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static);
        return property?.GetValue(null) as ServiceDescriptor;
    }
}
