using System.Net.Sockets;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client.Internal;

/// <summary>From the exceptions of the transport to statuses.</summary>
internal static class CallErrors
{
    /// <summary>Whether the request cannot have reached any server.</summary>
    public static bool IsNeverSent(HttpRequestException exception) => exception.HttpRequestError
        is HttpRequestError.ConnectionError
        or HttpRequestError.NameResolutionError
        or HttpRequestError.SecureConnectionError
        or HttpRequestError.ProxyTunnelError;

    public static Status ToStatus(Exception exception)
    {
        switch (exception)
        {
            case RpcException rpc:
                return rpc.Status;
            case OperationCanceledException:
                return new Status(StatusCode.Cancelled, "The call was cancelled.", exception);
            case HttpRequestException http when IsNeverSent(http):
                return new Status(StatusCode.Unavailable, $"Error connecting to the server: {Innermost(http)}", http);
            case HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } http:
                return new Status(
                    StatusCode.ResourceExhausted, $"The response metadata is larger than this side takes: {http.Message}", http);
        }

        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException protocol)
            {
                return new Status(
                    GrpcProtocol.FromHttp2Error(protocol.ErrorCode), $"The server ended the stream: {protocol.Message}", exception);
            }
        }

        return exception is HttpRequestException or IOException or SocketException
            ? new Status(StatusCode.Unavailable, $"The connection was lost: {Innermost(exception)}", exception)
            : new Status(StatusCode.Internal, $"Error starting the call: {exception.GetType().Name}: {exception.Message}", exception);
    }

    private static string Innermost(Exception exception) => exception.GetBaseException().Message;
}
