using System.Collections.Concurrent;
using System.Net;
using Grpc.Core;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Grpc.Net.Client.Internal;
using Grpc.Net.Compression;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>Connections to one service, over HTTP/2. Make one and share it; clients on it are cheap.</summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    internal const string UserAgent = "grpc-dotnet-serving/0.1";

    /// <summary>What timers can wait for; later deadlines are left to the server.</summary>
    internal static readonly TimeSpan MaxTimerWait = TimeSpan.FromDays(49);

    private static readonly TimeSpan KeepAliveDelay = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(20);

    private readonly ConcurrentDictionary<(Uri Address, IMethod Method), Uri> _uris = [];
    private readonly ConcurrentDictionary<IMethod, RetryRule?> _retries = [];
    private readonly Dictionary<string, ICompressionProvider> _compressions;
    private readonly ServiceConfig? _serviceConfig;
    private readonly RetryBudget? _retryBudget;
    private readonly int _maxRetryAttempts;
    private readonly CancellationTokenSource _disposed = new();
    private bool _isDisposed;

    private GrpcChannel(Uri address, GrpcChannelOptions options)
        : base(address.Authority.Length > 0 ? address.Authority : address.OriginalString)
    {
        if (options.HttpClient is not null && options.HttpHandler is not null)
        {
            throw new ArgumentException("HttpClient and HttpHandler are both set; set one of them.");
        }

        TimeProvider = options.ServiceProvider?.GetService(typeof(TimeProvider)) as TimeProvider ?? TimeProvider.System;
        Credentials = new ChannelCallCredentials(
            address, options.Credentials, options.UnsafeUseInsecureChannelCallCredentials);
        MaxSendMessageSize = options.MaxSendMessageSize;
        MaxReceiveMessageSize = options.MaxReceiveMessageSize;
        MaxRetryBufferPerCallSize = options.MaxRetryBufferPerCallSize ?? long.MaxValue;
        ThrowOperationCanceledOnCancellation = options.ThrowOperationCanceledOnCancellation;
        _compressions = (options.CompressionProviders ?? [.. MessageCompression.DefaultProviders])
            .ToDictionary(provider => provider.EncodingName, StringComparer.OrdinalIgnoreCase);
        AcceptEncoding = MessageCompression.AcceptEncoding(_compressions.Keys);
        _serviceConfig = options.ServiceConfig;
        _maxRetryAttempts = options.MaxRetryAttempts ?? int.MaxValue;
        _retryBudget = options.ServiceConfig?.RetryThrottling is { } throttling ? new RetryBudget(throttling) : null;
        Transport = CreateTransport(address, options);
    }

    internal ChannelCallCredentials Credentials { get; }

    internal HttpTransport Transport { get; }

    internal TimeProvider TimeProvider { get; }

    internal int? MaxSendMessageSize { get; }

    internal int? MaxReceiveMessageSize { get; }

    internal long MaxRetryBufferPerCallSize { get; }

    internal bool ThrowOperationCanceledOnCancellation { get; }

    /// <summary>The value of grpc-accept-encoding.</summary>
    internal string AcceptEncoding { get; }

    /// <param name="address">"http://host:port" (plain text), "https://host:port" (TLS), or "static:///name".</param>
    public static GrpcChannel ForAddress(string address) => ForAddress(address, new GrpcChannelOptions());

    /// <param name="address">"http://host:port" (plain text), "https://host:port" (TLS), or "static:///name".</param>
    /// <param name="channelOptions">How to connect and call.</param>
    /// <exception cref="ArgumentException">The address is none, or its scheme is unknown.</exception>
    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        return Uri.TryCreate(address, UriKind.Absolute, out var uri)
            ? ForAddress(uri, channelOptions)
            : throw new ArgumentException(
                $"'{address}' is no address; write http://host:port or https://host:port.", nameof(address));
    }

    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        return new GrpcChannel(address, channelOptions);
    }

    /// <exception cref="ObjectDisposedException">The channel was disposed of.</exception>
    public override CallInvoker CreateCallInvoker()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return new HttpClientCallInvoker(this);
    }

    /// <summary>Cancels the calls in flight and closes the connections.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _disposed.Cancel();
            Transport.Dispose();
        }
    }

    /// <summary>Cancelled when the channel is disposed of.</summary>
    internal CancellationToken Disposed => _disposed.Token;

    /// <summary>Null for identity and for what is unknown.</summary>
    internal ICompressionProvider? FindCompression(string encoding) => _compressions.GetValueOrDefault(encoding);

    /// <summary>The compression that a call's metadata asks for.</summary>
    /// <exception cref="InvalidOperationException">It is not among the channel's.</exception>
    internal ICompressionProvider? FindRequestCompression(Metadata? headers) =>
        headers?.GetValue(GrpcProtocol.EncodingRequestHeader) is not { } encoding || encoding == GrpcProtocol.Identity
            ? null
            : FindCompression(encoding) ?? throw new InvalidOperationException(
                $"Could not find compression provider for '{encoding}'; this channel has {AcceptEncoding}.");

    internal RetryRule? FindRetry(IMethod method) => _serviceConfig is null ? null : _retries.GetOrAdd(method, CreateRetry);

    internal Uri UriOf(Uri address, IMethod method) =>
        _uris.GetOrAdd((address, method), static key => new Uri(key.Address, key.Method.FullName));

    protected override Task ShutdownAsyncCore()
    {
        Dispose();
        return Task.CompletedTask;
    }

    private RetryRule? CreateRetry(IMethod method)
    {
        var configs = _serviceConfig!.MethodConfigs;
        var config = Find(name => name.Service == method.ServiceName && name.Method == method.Name)
            ?? Find(name => name.Service == method.ServiceName && string.IsNullOrEmpty(name.Method))
            ?? Find(name => string.IsNullOrEmpty(name.Service) && string.IsNullOrEmpty(name.Method));
        return config?.RetryPolicy is { } policy
            ? new RetryRule(policy, _retryBudget, _maxRetryAttempts, TimeProvider)
            : null;

        MethodConfig? Find(Func<MethodName, bool> fits) => configs.FirstOrDefault(config => config.Names.Any(fits));
    }

    private HttpTransport CreateTransport(Uri address, GrpcChannelOptions options)
    {
        var balancing = options.ServiceConfig?.LoadBalancingConfigs.FirstOrDefault();
        var picker = new AddressPicker(
            ResolveAddresses(address, options),
            balancing is RoundRobinConfig,
            TimeProvider,
            options.InitialReconnectBackoff,
            options.MaxReconnectBackoff ?? TimeSpan.MaxValue);
        return new HttpTransport(
            CreateInvoker(options), picker, TimeProvider, options.InitialReconnectBackoff);
    }

    private IReadOnlyList<Uri> ResolveAddresses(Uri address, GrpcChannelOptions options)
    {
        if (address.Scheme is "http" or "https")
        {
            return [address];
        }

        if (options.ServiceProvider?.GetService(typeof(ResolverFactory)) is not ResolverFactory resolver
            || resolver.Name != address.Scheme)
        {
            throw new ArgumentException(
                $"Address '{address}' has the scheme '{address.Scheme}'; use http or https, " +
                "or put a ResolverFactory for it into the channel's ServiceProvider.");
        }

        var scheme = Credentials.IsSecure ? Uri.UriSchemeHttps : Uri.UriSchemeHttp;
        Uri[] resolved =
            [.. resolver.Resolve(address).Select(found => new Uri($"{scheme}://{found}"))];
        return resolved.Length > 0
            ? resolved
            : throw new ArgumentException($"'{address}' has no addresses; the resolver must return at least one.");
    }

    private static HttpMessageInvoker CreateInvoker(GrpcChannelOptions options)
    {
        if (options.HttpClient is { } client)
        {
            return new HttpMessageInvoker(new ClientHandler(client, options.DisposeHttpClient));
        }

        if (options.HttpHandler is { } handler)
        {
            return new HttpMessageInvoker(handler, options.DisposeHttpClient);
        }

        return new HttpMessageInvoker(new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            AutomaticDecompression = DecompressionMethods.None,
            AllowAutoRedirect = false,
            UseCookies = false,
            KeepAlivePingDelay = KeepAliveDelay,
            KeepAlivePingTimeout = KeepAliveTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests
        });
    }

    /// <summary>Sends through a client and does not wait for whole responses.</summary>
    private sealed class ClientHandler(HttpClient client, bool isOwner) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken) =>
            client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing && isOwner)
            {
                client.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
