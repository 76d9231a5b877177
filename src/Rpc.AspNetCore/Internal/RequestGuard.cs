using Grpc.Wire;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Turns away HTTP requests that are no gRPC calls; they get HTTP answers.</summary>
internal static class RequestGuard
{
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

        return true;
    }

    private static void Refuse(HttpContext httpContext, int httpStatus, string message)
    {
        var response = httpContext.Response;
        response.StatusCode = httpStatus;
        response.ContentType = GrpcProtocol.ContentType;
        response.Headers.GrpcStatus = StatusNames.Of(GrpcProtocol.FromHttpStatus(httpStatus));
        response.Headers.GrpcMessage = PercentEncoding.Encode(message);
    }
}
