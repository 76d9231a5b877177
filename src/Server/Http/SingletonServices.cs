using Microsoft.AspNetCore.Http.Features;

namespace Serving.Server.Http;

/// <summary>The application's services for gRPC calls: all are singletons, so that no call needs a scope.</summary>
internal sealed class SingletonServices(IServiceProvider services) : IServiceProvidersFeature
{
    public IServiceProvider RequestServices
    {
        get => services;
        set => throw new NotSupportedException("Calls have the application's services.");
    }
}

internal static class SingletonServicesExtensions
{
    public static void UseSingletonServices(this IApplicationBuilder app)
    {
        var services = new SingletonServices(app.ApplicationServices);
        app.Use(next => context =>
        {
            if (context.Request.ContentType is "application/grpc")
                context.Features.Set<IServiceProvidersFeature>(services);
            return next(context);
        });
    }
}
