using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Answers gRPC calls that no service takes, with HTTP 200 and UNIMPLEMENTED; other requests pass.</summary>
internal static class UnimplementedEndpoints
{
    /// <summary>After every service, before an application's own fallback.</summary>
    private const int Order = int.MaxValue - 1;

    public static void MapOnce(IEndpointRouteBuilder builder, GrpcMarker marker)
    {
        var options = builder.ServiceProvider.GetRequiredService<IOptions<GrpcServiceOptions>>().Value;
        if (options.IgnoreUnknownServices == true || !marker.TryMapUnimplemented(builder.DataSources))
        {
            return;
        }

        var pattern = RoutePatternFactory.Parse(
            "{**path}", defaults: null, parameterPolicies: new { path = new GrpcRequestConstraint() });
        var endpoint = builder.Map(pattern, httpContext => AnswerAsync(httpContext, builder.DataSources));
        endpoint.Add(route => ((RouteEndpointBuilder)route).Order = Order);
        endpoint.WithDisplayName("gRPC - unimplemented");
    }

    private static Task AnswerAsync(HttpContext httpContext, IEnumerable<EndpointDataSource> dataSources)
    {
        if (!RequestGuard.Accepts(httpContext))
        {
            return Task.CompletedTask;
        }

        var path = httpContext.Request.Path.Value ?? "";
        var service = path.TrimStart('/').Split('/')[0];
        var isKnown = dataSources.SelectMany(source => source.Endpoints).Any(
            endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.ServiceName == service);
        var response = httpContext.Response;
        response.ContentType = GrpcProtocol.ContentType;
        response.Headers.GrpcStatus = StatusNames.Of(StatusCode.Unimplemented);
        response.Headers.GrpcMessage = isKnown ? "Method is unimplemented." : "Service is unimplemented.";
        return Task.CompletedTask;
    }

    private sealed class GrpcRequestConstraint : IRouteConstraint
    {
        public bool Match(
            HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
            httpContext is not null
            && HttpMethods.IsPost(httpContext.Request.Method)
            && GrpcProtocol.IsGrpcContentType(httpContext.Request.ContentType);
    }
}
