using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Serving.Rpc.Services;

/// <summary>What a Kestrel that serves gRPC needs beyond its defaults.</summary>
public static class KestrelExtensions
{
    /// <summary>
    /// Four times the metadata that the server takes, 32 KiB: what is moderately too much reaches the server, which refuses
    /// that call alone with a status. Past this Kestrel answers 431, and past twice this it ends the connection.
    /// </summary>
    private const int MaxRequestHeadersBytes = 128 * 1024;

    /// <summary>Makes odd bytes and too many of them in a request's headers cost that call and not its connection.</summary>
    public static void UseGrpcHeaderLimits(this KestrelServerOptions kestrel)
    {
        kestrel.Limits.MaxRequestHeadersTotalSize = MaxRequestHeadersBytes;
        kestrel.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
    }
}
