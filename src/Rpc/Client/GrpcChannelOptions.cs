using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Grpc.Net.Compression;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>How a channel connects and calls.</summary>
public sealed class GrpcChannelOptions
{
    /// <summary>Null takes them from the address: https is TLS, http is plain text.</summary>
    public ChannelCredentials? Credentials { get; set; }

    /// <summary>The largest request message in bytes, before compression; null for no limit, the default.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>The largest response message in bytes, after decompression; 4 MiB by default, null for no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = GrpcProtocol.DefaultMaxReceiveMessageSize;

    /// <summary>No call is tried more often than this, whatever its retry policy says; 5 by default.</summary>
    public int? MaxRetryAttempts { get; set; } = 5;

    /// <summary>A request larger than this, in bytes, is not kept for a retry; 1 MiB by default.</summary>
    public long? MaxRetryBufferPerCallSize { get; set; } = 1024 * 1024;

    /// <summary>The compressions that are understood; null for gzip and deflate.</summary>
    public IList<ICompressionProvider>? CompressionProviders { get; set; }

    /// <summary>Sends the requests. Set this or <see cref="HttpHandler"/>, not both.</summary>
    public HttpClient? HttpClient { get; set; }

    /// <summary>
    /// Sends the requests; certificates, keepalive pings and the number of connections are its properties. Null makes a
    /// SocketsHttpHandler with several connections and keepalive pings while calls run.
    /// </summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Whether the channel disposes of the client or handler that was passed in.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>Whether a call cancelled on this side throws OperationCanceledException rather than RpcException.</summary>
    public bool ThrowOperationCanceledOnCancellation { get; set; }

    /// <summary>Whether call credentials are sent over plain text, too. Off by default: anyone on the way can read them.</summary>
    public bool UnsafeUseInsecureChannelCallCredentials { get; set; }

    /// <summary>Retry policies by method, the retry budget, load balancing.</summary>
    public ServiceConfig? ServiceConfig { get; set; }

    /// <summary>Asked for a ResolverFactory, which "static:///" addresses need, and for a TimeProvider.</summary>
    public IServiceProvider? ServiceProvider { get; set; }

    /// <summary>How long an address is passed over after its first failed connection; 1 s by default.</summary>
    public TimeSpan InitialReconnectBackoff { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest such time, to which it doubles; 120 s by default, null for no limit.</summary>
    public TimeSpan? MaxReconnectBackoff { get; set; } = TimeSpan.FromSeconds(120);
}
