using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// Answers gRPC calls that no endpoint took, with HTTP 200 and UNIMPLEMENTED; other requests pass. It stands behind the
/// whole application and not among its routes, where it would be weighed against the right route at every call.
/// </summary>
internal sealed class UnimplementedCalls(EndpointDataSource endpoints, IOptions<GrpcServiceOptions> options) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        next(app);
        if (options.Value.IgnoreUnknownServices != true)
        {
            app.Use(AnswerAsync);
        }
    };

    private Task AnswerAsync(HttpContext httpContext, RequestDelegate next)
    {
        var request = httpContext.Request;
        if (!HttpMethods.IsPost(request.Method)
            || !GrpcProtocol.IsGrpcContentType(request.ContentType)
            || httpContext.GetEndpoint() is not null)
        {
            return next(httpContext);
        }

        if (!RequestGuard.Accepts(httpContext))
        {
            return Task.CompletedTask;
        }

        var service = (request.Path.Value ?? "").TrimStart('/').Split('/')[0];
        var isKnown = endpoints.Endpoints.Any(
            endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.ServiceName == service);
        var response = httpContext.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = GrpcProtocol.ContentType;
        response.Headers.GrpcStatus = StatusNames.Of(StatusCode.Unimplemented);
        response.Headers.GrpcMessage = isKnown ? "Method is unimplemented." : "Service is unimplemented.";
        return Task.CompletedTask;
    }
}
