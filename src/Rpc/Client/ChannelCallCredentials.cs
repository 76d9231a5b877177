using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>The credentials of a channel taken apart, and the metadata that they and those of a call add to it.</summary>
internal sealed class ChannelCallCredentials
{
    private readonly Uri _address;
    private readonly bool _isSecure;
    private readonly bool _allowsInsecure;
    private readonly List<CallCredentials> _ofChannel = [];

    /// <exception cref="InvalidOperationException">The credentials and the address' scheme don't fit together.</exception>
    public ChannelCallCredentials(Uri address, ChannelCredentials? credentials, bool allowsInsecure)
    {
        _address = address;
        _allowsInsecure = allowsInsecure;
        var parts = new ChannelParts();
        credentials?.InternalPopulateConfiguration(parts, _ofChannel);
        _isSecure = parts.IsSecure ?? address.Scheme == Uri.UriSchemeHttps;
        if (address.Scheme is "http" or "https" && _isSecure != (address.Scheme == Uri.UriSchemeHttps))
        {
            throw new InvalidOperationException(
                $"Channel is configured with {(_isSecure ? "secure" : "insecure")} channel credentials and can't use " +
                $"{address.Scheme}; change the address or the credentials.");
        }
    }

    public bool IsSecure => _isSecure;

    /// <summary>The call's metadata and what credentials add to it.</summary>
    public ValueTask<Metadata?> AddToAsync(CallOptions options, IMethod method, CancellationToken cancellationToken)
    {
        if ((_ofChannel.Count == 0 && options.Credentials is null) || (!_isSecure && !_allowsInsecure))
        {
            return ValueTask.FromResult(options.Headers);
        }

        return AddAllAsync(options, method, cancellationToken);
    }

    private async ValueTask<Metadata?> AddAllAsync(
        CallOptions options, IMethod method, CancellationToken cancellationToken)
    {
        var metadata = new Metadata();
        foreach (var entry in options.Headers ?? Metadata.Empty)
        {
            metadata.Add(entry);
        }

        var interceptors = new List<AsyncAuthInterceptor>();
        var parts = new CallParts(interceptors);
        foreach (var credentials in _ofChannel)
        {
            credentials.InternalPopulateConfiguration(parts, state: null);
        }

        options.Credentials?.InternalPopulateConfiguration(parts, state: null);
        var url = $"{_address.Scheme}://{_address.Authority}/{method.ServiceName}";
        foreach (var interceptor in interceptors)
        {
            await interceptor(new AuthInterceptorContext(url, method.Name, cancellationToken), metadata);
        }

        return metadata;
    }

    private sealed class ChannelParts : ChannelCredentialsConfiguratorBase
    {
        public bool? IsSecure { get; private set; }

        public override void SetInsecureCredentials(object state) => IsSecure = false;

        public override void SetSslCredentials(
            object state, string? rootCertificates, KeyCertificatePair? keyCertificatePair, VerifyPeerCallback? verifyPeerCallback) =>
            IsSecure = true;

        public override void SetCompositeCredentials(
            object state, ChannelCredentials channelCredentials, CallCredentials callCredentials)
        {
            channelCredentials.InternalPopulateConfiguration(this, state);
            ((List<CallCredentials>)state).Add(callCredentials);
        }
    }

    private sealed class CallParts(List<AsyncAuthInterceptor> interceptors) : CallCredentialsConfiguratorBase
    {
        public override void SetAsyncAuthInterceptorCredentials(object? state, AsyncAuthInterceptor interceptor) =>
            interceptors.Add(interceptor);

        public override void SetCompositeCredentials(object? state, IReadOnlyList<CallCredentials> credentials)
        {
            foreach (var part in credentials)
            {
                part.InternalPopulateConfiguration(this, state);
            }
        }
    }
}
