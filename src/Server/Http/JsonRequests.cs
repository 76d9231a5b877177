using System.Buffers;
using System.Text.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Grpc.JsonTranscoding;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Serving.Server.Configuration;

namespace Serving.Server.Http;

/// <summary>
/// Looks through JSON requests before they are transcoded: what transcoding passes over (unknown fields and parameters)
/// or reports without a place (malformed JSON, wrong types) is refused by name here.
/// </summary>
internal static class JsonRequests
{
    /// <summary>For requests that are no gRPC calls; behind routing.</summary>
    public static void UseJsonRequests(this IApplicationBuilder app, ServerOptions options) => app.Use(next =>
        async context =>
        {
            if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcJsonTranscodingMetadata>() is not { } method)
            {
                await next(context);
                return;
            }

            try
            {
                var (input, request) = (method.MethodDescriptor.InputType, context.Request);
                if (method.HttpRule.Body.Length == 0)
                {
                    JsonMessageCheck.ThrowUnlessParameters(request.Query, input, request.RouteValues);
                    request.ContentType = null; // Of nothing; transcoding would answer in its charset.
                }
                else
                {
                    JsonMessageCheck.ThrowIfParameters(request.Query);
                    await CheckBodyAsync(
                        context,
                        json => JsonMessageCheck.ThrowUnlessFits(json, input, request.RouteValues),
                        options.MaxReceiveMessageBytes);
                }
            }
            catch (UnsupportedTypeException exception)
            {
                var error = Errors.InvalidArgument("Content-Type", exception.Message);
                await HttpErrors.WriteAsync(context, error, StatusCodes.Status415UnsupportedMediaType);
                return;
            }
            catch (TooLargeException exception)
            {
                await HttpErrors.WriteAsync(context, Errors.TooLarge(exception.Message));
                return;
            }
            catch (BadHttpRequestException exception)
            {
                var error = Errors.InvalidArgument("body", $"It can't be read: {exception.Message}");
                await HttpErrors.WriteAsync(context, error, exception.StatusCode);
                return;
            }
            catch (RpcException error)
            {
                await HttpErrors.WriteAsync(context, error);
                return;
            }

            HttpErrors.Complete(context);
            await next(context);
        });

    /// <summary>Reads the body, checks it, and puts it back.</summary>
    private static async Task CheckBodyAsync(HttpContext context, Action<JsonElement> check, int maxBytes)
    {
        var request = context.Request;
        if (request is { ContentLength: not 0, ContentType: not null })
            ThrowUnlessJson(request.ContentType);
        var body = await ReadAsync(context, maxBytes);
        if (body.Length == 0)
        {
            body = "{}"u8.ToArray(); // Nothing is a message without fields.
            request.ContentType = "application/json";
            request.ContentLength = body.Length;
        }

        ThrowUnlessJson(request.ContentType);
        try
        {
            using var document = JsonDocument.Parse(body);
            check(document.RootElement);
        }
        catch (JsonException exception)
        {
            throw Errors.InvalidArgument("body", $"It is no JSON: {exception.Message}");
        }

        request.Body = new MemoryStream(body, writable: false);
    }

    private static void ThrowUnlessJson(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type)
            || !(type.SubTypeWithoutSuffix.Equals("json", StringComparison.OrdinalIgnoreCase)
                || type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)))
        {
            throw new UnsupportedTypeException(
                $"It is '{contentType}'; application/json is needed (curl --json sends it).");
        }

        if (type.Charset.HasValue && !type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase))
        {
            throw new UnsupportedTypeException($"Its charset is '{type.Charset}'; JSON is UTF-8.");
        }
    }

    private static async Task<byte[]> ReadAsync(HttpContext context, int maxBytes)
    {
        // Ours is maxBytes.
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        var reader = context.Request.BodyReader;
        while (true)
        {
            var result = await reader.ReadAsync(context.RequestAborted);
            if (result.Buffer.Length > maxBytes)
            {
                reader.AdvanceTo(result.Buffer.End);
                throw new TooLargeException(maxBytes);
            }

            if (result.IsCompleted)
            {
                var body = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }

            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private sealed class UnsupportedTypeException(string message) : Exception(message);

    private sealed class TooLargeException(int maxBytes)
        : Exception(
            $"The body has more than the {maxBytes} bytes that this server takes; send fewer inputs in one call.");
}
