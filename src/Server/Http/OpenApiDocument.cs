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
            document.OperationFilter<Files>();
        });
    }

    public static void MapOpenApiDocument(this WebApplication app) => app.MapSwagger("/openapi/{documentName}.json");

    /// <summary>Proto3's JSON has 64-bit numbers as strings.</summary>
    private static OpenApiSchema Int64(string format) => new() { Type = JsonSchemaType.String, Format = format };

    /// <summary>
    /// The comment of a service's method, which protoc writes on the method of the generated base class.
    /// </summary>
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
            operation.Description = string.Join(
                ' ', comment.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
            if (method.IsServerStreaming && operation.Responses?["200"] is { } answer)
                answer.Description =
                    $"A stream of JSON, one {method.OutputType.Name} a line. If it fails, its last line is a Status.";
        }
    }

    /// <summary>Routes for files: what they take and give.</summary>
    private sealed class Files : IOperationFilter
    {
        private const string Json = "application/json";
        private const string Bytes = "application/octet-stream";

        public void Apply(OpenApiOperation operation, OperationFilterContext context)
        {
            var metadata = context.ApiDescription.ActionDescriptor.EndpointMetadata;
            if (metadata.OfType<FileRoute>().FirstOrDefault() is not { } route)
                return;
            IOpenApiSchema Schema(Type type) => context.SchemaGenerator.GenerateSchema(type, context.SchemaRepository);
            operation.OperationId = route.Name;
            operation.Responses = new()
            {
                ["200"] = route.Answer is null
                    ? Response("The file.", Bytes, File())
                    : Response("OK", Json, Schema(route.Answer)),
                ["default"] = Response("Error", Json, Schema(typeof(Google.Rpc.Status)))
            };
            if (route.Header is null)
                return;
            Schema(route.Header);
            var fields = context.SchemaRepository.Schemas[route.Header.Name].Properties!
                .Where(field => field.Key != route.InPath)
                .ToList();
            operation.Parameters ??= [];
            foreach (var (name, schema) in fields)
            {
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = name,
                    In = ParameterLocation.Query,
                    Description = schema.Description,
                    Schema = schema
                });
            }

            var form = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Required = route.Files.ToHashSet(),
                Properties = (route.TakesFields ? fields : []).ToDictionary()
            };
            foreach (var file in route.Files)
                form.Properties.Add(file, File());
            var body = new OpenApiRequestBody
            {
                Description = route.Body,
                Required = true,
                Content = new Dictionary<string, IOpenApiMediaType>
                {
                    ["multipart/form-data"] = new OpenApiMediaType { Schema = form }
                }
            };
            if (route.TakesFields)
                body.Content.Add(Bytes, new OpenApiMediaType { Schema = File() });
            operation.RequestBody = body;
        }

        private static OpenApiSchema File() => new() { Type = JsonSchemaType.String, Format = "binary" };

        private static OpenApiResponse Response(string description, string type, IOpenApiSchema schema) => new()
        {
            Description = description,
            Content = new Dictionary<string, IOpenApiMediaType> { [type] = new OpenApiMediaType { Schema = schema } }
        };
    }
}

/// <summary>What the OpenAPI document says of a route for files.</summary>
/// <param name="Name">"Datasets_UploadDataset"</param>
internal sealed record FileRoute(string Name)
{
    /// <summary>The message that answers an upload; null for a download.</summary>
    public Type? Answer { get; init; }

    /// <summary>The message whose fields come as text.</summary>
    public Type? Header { get; init; }

    /// <summary>The field of those that the path gives.</summary>
    public string? InPath { get; init; }

    /// <summary>What is sent.</summary>
    public string? Body { get; init; }

    /// <summary>The parts of a form that are files.</summary>
    public string[] Files { get; init; } = [];

    /// <summary>Whether a form may have the header's fields, too, and the body may be the file alone.</summary>
    public bool TakesFields { get; init; }
}
