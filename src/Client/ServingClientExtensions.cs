using Grpc.Net.ClientFactory;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Serving.Client;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The client of serving.v1 for applications with dependency injection.</summary>
public static class ServingClientExtensions
{
    /// <summary>Adds a client of one server with all defaults; see the overload with a function.</summary>
    /// <param name="address">http://HOST:PORT or https://HOST:PORT.</param>
    public static IHttpClientBuilder AddServingClient(this IServiceCollection services, string address) =>
        services.AddServingClient(new ServingClientOptions { Addresses = [new Uri(address)] });

    /// <summary>Adds a client; see the overload with a function.</summary>
    public static IHttpClientBuilder AddServingClient(this IServiceCollection services, ServingClientOptions options) =>
        services.AddServingClient(_ => options);

    /// <summary>
    /// Adds <see cref="ServingClient"/> and the clients of the single services (Classifier.ClassifierClient and so on),
    /// all singletons on one channel with the same deadlines, retries, balancing and throttle.
    /// </summary>
    /// <param name="options">Makes the options when the first client is asked for.</param>
    /// <returns>For what else the channel is to have: message handlers, credentials, interceptors.</returns>
    /// <remarks>
    /// An option that is out of range is an <see cref="ArgumentException"/> when the first client is asked for.
    /// </remarks>
    public static IHttpClientBuilder AddServingClient(
        this IServiceCollection services, Func<IServiceProvider, ServingClientOptions> options)
    {
        const string name = nameof(ServingClient);
        services.AddSingleton(new Lazily(options));
        var builder = services.AddGrpcClient<ServingClient>(name, static (provider, client) =>
        {
            var made = provider.GetRequiredService<Lazily>().Get(provider);
            client.Address = ServingClient.Target(made);
            client.ChannelOptionsActions.Add(channel => ServingClient.Configure(channel, made));
            client.Creator = invoker => new ServingClient(invoker, made);
        });
        builder.ConfigurePrimaryHttpMessageHandler(static provider =>
            provider.GetRequiredService<Lazily>().Get(provider).HttpHandler
                ?? new SocketsHttpHandler { EnableMultipleHttp2Connections = true });

        services.RemoveAll<ServingClient>(); // The factory's is made anew each time, and has another throttle.
        services.AddSingleton(
            static provider => provider.GetRequiredService<GrpcClientFactory>().CreateClient<ServingClient>(name));
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Classifier);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Embedder);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Generator);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Tasks);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Models);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Datasets);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Jobs);
        services.AddSingleton(static provider => provider.GetRequiredService<ServingClient>().Health);
        return builder;
    }

    /// <summary>Options that are made once, by whoever needs them first.</summary>
    private sealed class Lazily(Func<IServiceProvider, ServingClientOptions> make)
    {
        private readonly Lock _gate = new();
        private ServingClientOptions? _options;

        public ServingClientOptions Get(IServiceProvider provider)
        {
            lock (_gate)
            {
                if (_options is null)
                {
                    var options = make(provider);
                    options.ThrowUnlessValid();
                    _options = options;
                }

                return _options;
            }
        }
    }
}
