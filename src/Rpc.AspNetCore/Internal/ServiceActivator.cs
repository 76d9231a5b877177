using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// Gets the instance of a service for each call: the container's singleton without a scope, the container's scoped or
/// transient instance from the request's scope, and otherwise a new one that is disposed of after the call.
/// </summary>
internal sealed class ServiceActivator<TService>
    where TService : class
{
    private readonly TService? _singleton;
    private readonly bool _isRegistered;
    private readonly bool _needsServices;
    private readonly ObjectFactory<TService>? _factory;

    public ServiceActivator(IServiceProvider root)
    {
        var lifetime = root.GetRequiredService<RegisteredServices>().LifetimeOf(typeof(TService));
        if (lifetime == ServiceLifetime.Singleton)
        {
            _singleton = root.GetRequiredService<TService>();
            return;
        }

        _isRegistered = lifetime is not null;
        if (!_isRegistered)
        {
            _factory = ActivatorUtilities.CreateFactory<TService>(Type.EmptyTypes);
            _needsServices = typeof(TService).GetConstructors().Any(constructor => constructor.GetParameters().Length > 0);
            EmptyProvider = root;
        }
    }

    /// <summary>Stands in for the request's services where no constructor asks for any, which saves the scope.</summary>
    private IServiceProvider? EmptyProvider { get; }

    /// <summary>The instance and, if the call owns it, the need to release it.</summary>
    public TService Get(HttpContext httpContext, out bool isOwned)
    {
        isOwned = false;
        if (_singleton is not null)
        {
            return _singleton;
        }

        if (_isRegistered)
        {
            return httpContext.RequestServices.GetRequiredService<TService>();
        }

        isOwned = true;
        return _factory!(_needsServices ? httpContext.RequestServices : EmptyProvider!, arguments: null);
    }
}
