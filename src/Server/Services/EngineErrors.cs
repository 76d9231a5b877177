using Grpc.Core;
using Serving.Decoding;
using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text;

namespace Serving.Server.Services;

/// <summary>What the layers below throw, as a client sees it.</summary>
internal static class EngineErrors
{
    private static readonly TimeSpan DeviceRetry = TimeSpan.FromSeconds(1);

    /// <summary>The failure of one input of a request.</summary>
    /// <param name="input">The input's path in the request.</param>
    public static RpcException OfInput(Exception exception, string input) => exception switch
    {
        RpcException rpc => rpc,
        DomainException domain => Errors.Of(domain),
        InvalidTextException => Errors.InvalidArgument($"{input}.text", exception.Message),
        WrongInputsException => Errors.InvalidArgument(input, exception.Message),
        _ => Of(exception)
    };

    public static RpcException Of(Exception exception) => exception switch
    {
        RpcException rpc => rpc,
        DomainException domain => Errors.Of(domain),
        QueueFullException full => Errors.ResourceExhausted(full.Message, full.RetryAfter),
        DeadlinePassedException => Errors.DeadlineExceeded(exception.Message),
        DeviceMemoryException => Errors.ResourceExhausted(exception.Message, DeviceRetry),
        DeviceLostException => Errors.Unavailable($"{exception.Message} The server has to be started again."),
        NotResidentException => Errors.FailedPrecondition("tasks", exception.Message),
        EngineClosedException or ObjectDisposedException => Errors.Unavailable(
            "The model is being unloaded or the server is stopping; retry."),
        NonFiniteScoresException or LogitsException => Errors.Internal(exception.Message),
        SamplingOptionsException sampling => SamplingMessages.Refusal(sampling),
        ModelFileException => Errors.FailedPrecondition("files", exception.Message),
        _ when DiskFailure.Explain(exception) is { } refused => Errors.Of(refused),
        OperationCanceledException => new RpcException(new Status(StatusCode.Cancelled, "The call was cancelled.")),
        _ => new RpcException(new Status(StatusCode.Unknown, "The server failed at this request; its log says why."))
    };

    /// <summary>
    /// Whether the layers below said this; anything else is a fault of ours and belongs into the log.
    /// </summary>
    public static bool IsExpected(Exception exception) =>
        exception is RpcException or DomainException or QueueFullException or DeadlinePassedException
            or DeviceMemoryException or DeviceLostException or NotResidentException or EngineClosedException
            or ObjectDisposedException or NonFiniteScoresException or ModelFileException or InvalidTextException
            or WrongInputsException or SamplingOptionsException or LogitsException or OperationCanceledException;
}
