using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Turns away HTTP requests that are no gRPC calls; they get HTTP answers.</summary>
internal static class RequestGuard
{
    /// <summary>The most metadata that a call may bring: names and values and 32 bytes for each entry, as HTTP/2 counts.</summary>
    private const int MaxMetadataBytes = 32 * 1024;

    private const int BytesPerEntry = 32;

    public static bool Accepts(HttpContext httpContext)
    {
        var request = httpContext.Request;
        if (!GrpcProtocol.IsGrpcContentType(request.ContentType))
        {
            Refuse(
                httpContext,
                StatusCodes.Status415UnsupportedMediaType,
                $"Content-Type '{request.ContentType}' is not supported; use {GrpcProtocol.ContentType}.");
            return false;
        }

        if (!HttpProtocol.IsHttp2(request.Protocol) && !HttpProtocol.IsHttp3(request.Protocol))
        {
            httpContext.Response.Headers.Upgrade = "h2c";
            Refuse(httpContext, StatusCodes.Status426UpgradeRequired, $"{request.Protocol} cannot carry gRPC; use HTTP/2.");
            return false;
        }

        var metadataBytes = MetadataBytes(request.Headers);
        if (metadataBytes > MaxMetadataBytes)
        {
            Refuse(
                httpContext,
                StatusCodes.Status200OK,
                $"Request metadata is {metadataBytes} bytes, more than the {MaxMetadataBytes} that this server takes; send less.",
                StatusCode.ResourceExhausted);
            return false;
        }

        return true;
    }

    /// <remarks>RFC 9113, section 10.5.1.</remarks>
    private static long MetadataBytes(IHeaderDictionary headers)
    {
        var bytes = 0L;
        foreach (var (name, values) in headers)
        {
            foreach (var value in values)
            {
                bytes += name.Length + (value?.Length ?? 0) + BytesPerEntry;
            }
        }

        return bytes;
    }

    private static void Refuse(HttpContext httpContext, int httpStatus, string message, StatusCode? code = null)
    {
        var response = httpContext.Response;
        response.StatusCode = httpStatus;
        response.ContentType = GrpcProtocol.ContentType;
        response.Headers.GrpcStatus = StatusNames.Of(code ?? GrpcProtocol.FromHttpStatus(httpStatus));
        response.Headers.GrpcMessage = PercentEncoding.Encode(message);
    }
}
