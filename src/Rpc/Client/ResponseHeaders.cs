using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client.Internal;

/// <summary>What the headers and trailers of a response say.</summary>
internal static class ResponseHeaders
{
    /// <summary>The application's metadata.</summary>
    /// <exception cref="RpcException">INTERNAL: a "-bin" value is no base64.</exception>
    public static Metadata ToMetadata(HttpResponseHeaders headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers.NonValidated)
        {
            if (GrpcProtocol.IsReserved(name))
            {
                continue;
            }

            foreach (var value in values)
            {
                MetadataCoding.Add(metadata, name, value);
            }
        }

        return metadata;
    }

    /// <summary>The first value of a header, or null.</summary>
    public static string? Find(HttpResponseHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) && values.Count > 0 ? values.First() : null;

    /// <summary>The status in headers or trailers; null where there is none.</summary>
    public static Status? FindStatus(HttpResponseHeaders headers)
    {
        if (Find(headers, GrpcProtocol.StatusHeader) is not { } text)
        {
            return null;
        }

        var detail = PercentEncoding.Decode(Find(headers, GrpcProtocol.MessageHeader) ?? "");
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var code)
            && code <= (int)StatusCode.Unauthenticated
            ? new Status((StatusCode)code, detail)
            : new Status(StatusCode.Unknown, $"The server sent the unknown status '{text}'. {detail}".TrimEnd());
    }

    /// <summary>The failure of a response that is no gRPC response; null if it is one.</summary>
    public static Status? FindHttpFailure(HttpResponseMessage response)
    {
        string? contentType = null;
        if (response.Content.Headers.NonValidated.TryGetValues("Content-Type", out var values) && values.Count > 0)
        {
            contentType = values.First();
        }

        var isGrpc = GrpcProtocol.IsGrpcContentType(contentType);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return (isGrpc ? FindStatus(response.Headers) : null) ?? new Status(
                GrpcProtocol.FromHttpStatus((int)response.StatusCode),
                $"Bad gRPC response: HTTP status code {(int)response.StatusCode}.");
        }

        return isGrpc
            ? null
            : new Status(StatusCode.Unknown, $"Bad gRPC response: content-type is '{contentType}'.");
    }
}
