using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using RpcStatus = Google.Rpc.Status;

namespace Grpc.Core;

/// <summary>What Grpc.StatusProto leaves to the caller: adding a detail.</summary>
public static class RpcStatusExtensions
{
    /// <summary>Adds a detail and returns the status.</summary>
    public static RpcStatus WithDetail(this RpcStatus status, IMessage detail)
    {
        ArgumentNullException.ThrowIfNull(status);
        status.Details.Add(Any.Pack(detail));
        return status;
    }
}
