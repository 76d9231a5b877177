using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using RpcStatus = Google.Rpc.Status;

namespace Grpc.Core;

/// <summary>From google.rpc.Status, which has details, to the exception that carries it, and back.</summary>
public static class RpcStatusExtensions
{
    private const string DetailsHeader = "grpc-status-details-bin";

    /// <summary>What a handler throws to end its call with a status and its details.</summary>
    public static RpcException ToRpcException(this RpcStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return new RpcException(
            new Status((StatusCode)status.Code, status.Message),
            new Metadata { { DetailsHeader, status.ToByteArray() } });
    }

    /// <summary>The details that came with a failed call, or null: there were none, or they can't be read.</summary>
    public static RpcStatus? GetRpcStatus(this RpcException exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        if (exception.Trailers.GetValueBytes(DetailsHeader) is not { } bytes)
        {
            return null;
        }

        try
        {
            return RpcStatus.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    /// <summary>The first detail of a kind, <see cref="Google.Rpc.RetryInfo"/> for example, or null.</summary>
    public static T? GetDetail<T>(this RpcStatus status)
        where T : class, IMessage<T>, new()
    {
        ArgumentNullException.ThrowIfNull(status);
        var descriptor = new T().Descriptor;
        return status.Details.FirstOrDefault(detail => detail.Is(descriptor))?.Unpack<T>();
    }

    /// <summary>Adds a detail and returns the status.</summary>
    public static RpcStatus WithDetail(this RpcStatus status, IMessage detail)
    {
        ArgumentNullException.ThrowIfNull(status);
        status.Details.Add(Any.Pack(detail));
        return status;
    }
}
