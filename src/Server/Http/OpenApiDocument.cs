using System.Xml.Linq;
using System.Xml.XPath;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace Serving.Server.Http;

/// <summary>The OpenAPI document of the HTTP API, with the protos' comments.</summary>
internal static class OpenApiDocument
{
    public const string Path = "/openapi/v1.json";

    private const string Name = "v1";

    public static void AddOpenApiDocument(this IServiceCollection services)
    {
        services.AddEndpointsApiExplorer();
        services.AddGrpcSwagger();
        services.AddSwaggerGen(document =>
        {
            var comments = System.IO.Path.Combine(AppContext.BaseDirectory, "Serving.Protocol.xml");
            document.SwaggerDoc(Name, new() { Title = "Serving", Version = Name });
            document.IncludeXmlComments(comments);
            document.MapType<long>(() => Int64("int64"));
            document.MapType<ulong>(() => Int64("uint64"));
            document.OperationFilter<MethodComments>(XDocument.Load(comments));
        });
    }

    public static void MapOpenApiDocument(this WebApplication app) => app.MapSwagger("/openapi/{documentName}.json");

    /// <summary>Proto3's JSON has 64-bit numbers as strings.</summary>
    private static OpenApiSchema Int64(string format) => new() { Type = JsonSchemaType.String, Format = format };

    /// <summary>The comment of a service's method, which protoc writes on the method of the generated base class.</summary>
    private sealed class MethodComments(XDocument comments) : IOperationFilter
    {
        public void Apply(OpenApiOperation operation, OperationFilterContext context)
        {
            var metadata = context.ApiDescription.ActionDescriptor.EndpointMetadata;
            if (metadata.OfType<GrpcJsonTranscodingMetadata>().FirstOrDefault() is not { MethodDescriptor: { } method })
                return;
            var member = $"M:Serving.V1.{method.Service.Name}.{method.Service.Name}Base.{method.Name}(";
            operation.OperationId = $"{method.Service.Name}_{method.Name}";
            var comment = comments.XPathSelectElement($"//member[starts-with(@name, '{member}')]/summary")?.Value ?? "";
            operation.Description = string.Join(' ', comment.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        }
    }
}
