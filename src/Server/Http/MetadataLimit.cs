using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Serving.Server.Configuration;

namespace Serving.Server.Http;

/// <summary>Refuses a gRPC call with too much metadata by itself; its connection and the other calls go on.</summary>
internal static class MetadataLimit
{
    /// <summary>
    /// The most metadata of a call: names, values and 32 bytes for each entry, as HTTP/2 counts (RFC 9113, 10.5.1).
    /// </summary>
    private const int MaxBytes = 32 * 1024;

    private const int BytesPerEntry = 32;

    /// <summary>
    /// Four times the metadata that is taken: what is moderately too much reaches the server, which refuses that call
    /// alone.
    /// Past this Kestrel answers 431, and past twice this it ends the connection.
    /// </summary>
    private const int MaxHeaderBytes = 4 * MaxBytes;

    /// <summary>
    /// Makes odd bytes and too many of them in a request's headers cost that call and not its connection.
    /// </summary>
    public static void UseGrpcHeaderLimits(this KestrelServerOptions kestrel)
    {
        kestrel.Limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
        kestrel.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
    }

    public static void UseMetadataLimit(this IApplicationBuilder app) => app.Use(static next => context =>
    {
        var bytes = CountBytes(context.Request.Headers);
        if (
            bytes <= MaxBytes
                || context.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) != true)
            return next(context);
        var response = context.Response;
        response.ContentType = "application/grpc";
        response.Headers.GrpcStatus = ((int)StatusCode.ResourceExhausted).ToString();
        response.Headers.GrpcMessage =
            $"Request metadata is {bytes} bytes, more than the {MaxBytes} that this server takes; send less.";
        return Task.CompletedTask;
    });

    private static long CountBytes(IHeaderDictionary headers)
    {
        var bytes = 0L;
        foreach (var (name, values) in headers)
        {
            foreach (var value in values)
                bytes += name.Length + (value?.Length ?? 0) + BytesPerEntry;
        }

        return bytes;
    }
}
