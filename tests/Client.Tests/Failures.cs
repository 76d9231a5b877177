using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using RpcStatus = Google.Rpc.Status;

namespace Serving.Client.Tests;

/// <summary>Calls' ends as the server gives them.</summary>
internal static class Failures
{
    /// <summary>Turned away for now, with RetryInfo.</summary>
    public static RpcException Full(TimeSpan retryAfter) => new RpcStatus { Code = (int)StatusCode.ResourceExhausted }
        .WithDetail(new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) })
        .ToRpcException();

    public static RpcException Of(StatusCode code, Metadata? trailers = null) =>
        new(new Grpc.Core.Status(code, "not now"), trailers ?? []);
}
