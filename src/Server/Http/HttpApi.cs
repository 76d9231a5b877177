using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Routing.Constraints;
using Microsoft.AspNetCore.WebUtilities;
using Serving.Server.Configuration;
using RpcStatus = Google.Rpc.Status;

namespace Serving.Server.Http;

/// <summary>
/// The services over HTTP: JSON (google.api.http in the protos), files, gRPC-Web for browsers, and the OpenAPI document
/// of it.
/// </summary>
internal static class HttpApi
{
    /// <summary>What the details of an error may be.</summary>
    private static readonly TypeRegistry Details = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor);

    /// <summary>JSON as transcoding writes it.</summary>
    public static JsonFormatter Json { get; } =
        new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true).WithTypeRegistry(Details));

    public static void AddHttpApi(this IServiceCollection services, ServerOptions options)
    {
        services.AddGrpc().AddJsonTranscoding(json =>
        {
            json.TypeRegistry = Details;
            // As proto3's JSON has them: a number in JavaScript ends at 2^53.
            json.JsonSettings.WriteInt64sAsStrings = true;
        });
        services.Configure<RouteOptions>(routes =>
            routes.SetParameterPolicy<RegexInlineRouteConstraint>("regex")); // For routes such as "{id}:cancel".
        services.AddSingleton<Http2Handover>();
        services.AddSingleton<IConnectionListenerFactory>(provider => provider.GetRequiredService<Http2Handover>());
        if (options.CorsOrigins.Length > 0)
            services.AddCors(cors => cors.AddDefaultPolicy(policy => Allow(policy, options.CorsOrigins)));
        services.AddOpenApiDocument();
    }

    public static void UseHttpApi(this WebApplication app, ServerOptions options)
    {
        app.Use(
            next => context => IsForeign(context, options.CorsOrigins) ? RefuseForeignAsync(context) : next(context));
        app.UseGrpcWeb(new() { DefaultEnabled = true });
        if (options.CorsOrigins.Length > 0)
            app.UseCors();
        app.UseWhen(static context => !IsGrpc(context), http =>
        {
            http.UseStatusCodePages(pages => ExplainAsync(pages.HttpContext));
            http.UseJsonRequests(options);
        });
    }

    private static bool IsGrpc(HttpContext context) =>
        context.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true
        && context.GetEndpoint()?.Metadata.GetMetadata<GrpcJsonTranscodingMetadata>() is null;

    /// <summary>
    /// A page of another origin may send a browser's simple requests without asking; what they would change stays.
    /// </summary>
    private static bool IsForeign(HttpContext context, string[] allowed) =>
        context.Request.Headers.Origin is { Count: > 0 } origins && origins.ToString() is var origin
        && context.Request.Method is not ("GET" or "HEAD" or "OPTIONS")
        && !allowed.Contains("*") && !allowed.Contains(origin)
        && origin != $"{context.Request.Scheme}://{context.Request.Host}";

    private static Task RefuseForeignAsync(HttpContext context) => HttpErrors.WriteAsync(context, new RpcStatus
    {
        Code = (int)Code.PermissionDenied,
        Message = $"Pages of {context.Request.Headers.Origin} may not call this server; "
            + "name the origin in Server:CorsOrigins."
    });

    /// <summary>Gives an answer that routing left empty a body.</summary>
    private static Task ExplainAsync(HttpContext context)
    {
        var status = context.Response.StatusCode;
        var request = context.Request;
        return HttpErrors.WriteAsync(
            context,
            new RpcStatus
            {
                Code = (int)(status is 404 or 405 ? Code.NotFound : Code.Unknown),
                Message = $"{request.Method} {request.Path}: {ReasonPhrases.GetReasonPhrase(status)}. "
                    + $"{OpenApiDocument.Path} says what there is."
            },
            status);
    }

    private static void Allow(CorsPolicyBuilder policy, string[] origins) => policy
        .WithOrigins(origins)
        .AllowAnyMethod()
        .AllowAnyHeader()
        .WithExposedHeaders(
            "Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin", "Grpc-Encoding", "Grpc-Accept-Encoding");
}
