using System.IO.Compression;
using Grpc.Net.Compression;
using Grpc.Wire;

namespace Grpc.AspNetCore.Server;

/// <summary>How services are served. Set for all in AddGrpc, for one in AddServiceOptions, which wins.</summary>
public class GrpcServiceOptions
{
    /// <summary>The largest response message in bytes, before compression; null for no limit, the default.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>The largest request message in bytes, after decompression; 4 MiB by default, null for no limit.</summary>
    public int? MaxReceiveMessageSize
    {
        get;
        set
        {
            field = value;
            IsMaxReceiveMessageSizeSet = true;
        }
    }
    = GrpcProtocol.DefaultMaxReceiveMessageSize;

    /// <summary>Whether the text of a handler's exception goes to the client. Off by default.</summary>
    public bool? EnableDetailedErrors { get; set; }

    /// <summary>"gzip", for example: how responses are compressed for clients that accept it. None by default.</summary>
    public string? ResponseCompressionAlgorithm { get; set; }

    public CompressionLevel? ResponseCompressionLevel { get; set; }

    /// <summary>The compressions that are understood; gzip and deflate by default.</summary>
    public IList<ICompressionProvider> CompressionProviders { get; set; } = [];

    /// <summary>They see a call in this order, those of all services before those of one.</summary>
    public InterceptorCollection Interceptors { get; } = [];

    /// <summary>Whether calls of unknown services and methods are left to the rest of the application. Off by default.</summary>
    public bool? IgnoreUnknownServices { get; set; }

    internal bool IsMaxReceiveMessageSizeSet { get; private set; }
}

/// <summary>Options of one service.</summary>
public class GrpcServiceOptions<TService> : GrpcServiceOptions
    where TService : class
{
}
