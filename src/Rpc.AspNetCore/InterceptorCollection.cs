using System.Collections.ObjectModel;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server;

/// <summary>The interceptors of a service, first to last.</summary>
public class InterceptorCollection : Collection<InterceptorRegistration>
{
    /// <param name="args">Constructor arguments; the others come from the container.</param>
    public void Add<TInterceptor>(params object[] args)
        where TInterceptor : Interceptor => Add(new InterceptorRegistration(typeof(TInterceptor), args));

    /// <param name="interceptorType">A type derived from Interceptor.</param>
    /// <param name="args">Constructor arguments; the others come from the container.</param>
    public void Add(Type interceptorType, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(interceptorType);
        if (!interceptorType.IsSubclassOf(typeof(Interceptor)))
        {
            throw new ArgumentException(
                $"{interceptorType} is no Interceptor; derive it from {typeof(Interceptor)}.", nameof(interceptorType));
        }

        Add(new InterceptorRegistration(interceptorType, args));
    }
}

/// <summary>An interceptor type and how to make one.</summary>
public class InterceptorRegistration
{
    private readonly object[] _args;
    private readonly ObjectFactory _factory;

    internal InterceptorRegistration(Type type, object[] args)
    {
        Type = type;
        _args = args;
        _factory = ActivatorUtilities.CreateFactory(type, [.. args.Select(arg => arg.GetType())]);
    }

    public Type Type { get; }

    public IReadOnlyList<object> Arguments => _args;

    /// <summary>The container's own instance, or a new one for this call, which the caller disposes of.</summary>
    internal (Interceptor Interceptor, bool IsOwned) Create(IServiceProvider services) =>
        _args.Length == 0 && services.GetService(Type) is Interceptor registered
            ? (registered, false)
            : ((Interceptor)_factory(services, _args), true);
}
