using Grpc.Core;

namespace Grpc.Wire;

/// <summary>Names and numbers of "gRPC over HTTP2" (the gRPC core specification, PROTOCOL-HTTP2).</summary>
internal static class GrpcProtocol
{
    public const string ContentType = "application/grpc";
    public const string StatusHeader = "grpc-status";
    public const string MessageHeader = "grpc-message";
    public const string StatusDetailsHeader = "grpc-status-details-bin";
    public const string TimeoutHeader = "grpc-timeout";
    public const string EncodingHeader = "grpc-encoding";
    public const string AcceptEncodingHeader = "grpc-accept-encoding";
    public const string MessageTypeHeader = "grpc-message-type";
    public const string PreviousAttemptsHeader = "grpc-previous-rpc-attempts";
    public const string RetryPushbackHeader = "grpc-retry-pushback-ms";
    public const string Identity = "identity";

    /// <summary>In a call's or a response's metadata: compress with this. It is taken out and never sent.</summary>
    public const string EncodingRequestHeader = "grpc-internal-encoding-request";

    /// <summary>4 MiB, the default of every gRPC stack.</summary>
    public const int DefaultMaxReceiveMessageSize = 4 * 1024 * 1024;

    public const long Http2NoError = 0;
    public const long Http2InternalError = 2;
    public const long Http2Cancel = 8;

    /// <summary>Whether a content type is application/grpc, alone or with a "+format" or parameters.</summary>
    public static bool IsGrpcContentType(string? contentType) =>
        contentType is not null
        && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is '+' or ';');

    /// <summary>Whether a header belongs to HTTP or to gRPC itself and so is no metadata of the application.</summary>
    public static bool IsReserved(string name) => name.Length == 0 || name[0] switch
    {
        ':' => true,
        'g' or 'G' => Is(name, StatusHeader) || Is(name, MessageHeader) || Is(name, TimeoutHeader)
            || Is(name, EncodingHeader) || Is(name, AcceptEncodingHeader) || Is(name, MessageTypeHeader)
            || Is(name, EncodingRequestHeader),
        'c' or 'C' => Is(name, "content-type") || Is(name, "content-length") || Is(name, "connection"),
        't' or 'T' => Is(name, "te") || Is(name, "transfer-encoding"),
        'h' or 'H' => Is(name, "host"),
        _ => false
    };

    /// <summary>The status of a response that is no gRPC response.</summary>
    /// <remarks>The gRPC core specification, "HTTP to gRPC Status Code Mapping".</remarks>
    public static StatusCode FromHttpStatus(int httpStatus) => httpStatus switch
    {
        400 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        431 => StatusCode.ResourceExhausted,
        _ => StatusCode.Unknown
    };

    /// <summary>The status of a stream that its peer reset.</summary>
    /// <remarks>PROTOCOL-HTTP2, "HTTP2 Transport Mapping", the table of error codes.</remarks>
    public static StatusCode FromHttp2Error(long errorCode) => errorCode switch
    {
        7 => StatusCode.Unavailable, // REFUSED_STREAM: nothing was processed
        8 => StatusCode.Cancelled, // CANCEL
        11 => StatusCode.ResourceExhausted, // ENHANCE_YOUR_CALM
        12 => StatusCode.PermissionDenied, // INADEQUATE_SECURITY
        _ => StatusCode.Internal
    };

    private static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);
}
