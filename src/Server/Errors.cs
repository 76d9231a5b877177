using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using FieldViolation = Google.Rpc.BadRequest.Types.FieldViolation;
using RpcStatus = Google.Rpc.Status;
using StateViolation = Google.Rpc.PreconditionFailure.Types.Violation;

namespace Serving.Server;

/// <summary>The ways in which calls fail: a status, a sentence with the remedy, and details for programs.</summary>
internal static class Errors
{
    private const int MostNearest = 3;

    /// <summary>Something in the request is wrong.</summary>
    /// <param name="field">Its path in the request: "inputs[3].text".</param>
    public static RpcException InvalidArgument(string field, string message) =>
        Status(StatusCode.InvalidArgument, $"{field}: {message}")
            .WithDetail(new BadRequest
            {
                FieldViolations = { new FieldViolation { Field = field, Description = message } }
            })
            .ToRpcException();

    /// <summary>A name that is not there.</summary>
    /// <param name="kind">"task", "model" and the like.</param>
    /// <param name="known">What is there; the nearest are named.</param>
    /// <param name="remedy">How it comes to be there; a sentence.</param>
    public static RpcException NotFound(string kind, string name, IEnumerable<string> known, string? remedy = null)
    {
        var nearest = NearestNames.To(name, known).Take(MostNearest).ToList();
        var hint = nearest.Count == 0
            ? $"There is no {kind} yet."
            : $"The nearest are {string.Join(", ", nearest.Select(n => $"'{n}'"))}.";
        if (remedy is not null)
            hint += $" {remedy}";
        return Status(StatusCode.NotFound, $"There is no {kind} '{name}'. {hint}")
            .WithDetail(new ResourceInfo { ResourceType = kind, ResourceName = name, Description = hint })
            .ToRpcException();
    }

    /// <summary>The request is right, the state is not.</summary>
    /// <param name="subject">What is in the wrong state.</param>
    public static RpcException FailedPrecondition(string subject, string message) =>
        Status(StatusCode.FailedPrecondition, message)
            .WithDetail(new PreconditionFailure
            {
                Violations = { new StateViolation { Type = "STATE", Subject = subject, Description = message } }
            })
            .ToRpcException();

    public static RpcException Aborted(string message) => Status(StatusCode.Aborted, message).ToRpcException();

    /// <summary>A name that is taken.</summary>
    public static RpcException AlreadyExists(string kind, string name, string message) =>
        Status(StatusCode.AlreadyExists, message)
            .WithDetail(new ResourceInfo { ResourceType = kind, ResourceName = name, Description = message })
            .ToRpcException();

    /// <summary>Too much for good: trying again does not help.</summary>
    public static RpcException TooLarge(string message) =>
        Status(StatusCode.ResourceExhausted, message).ToRpcException();

    /// <summary>Too much at present.</summary>
    public static RpcException ResourceExhausted(string message, TimeSpan retryAfter) =>
        Status(StatusCode.ResourceExhausted, message)
            .WithDetail(new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) })
            .ToRpcException();

    /// <summary>The server starts or stops.</summary>
    public static RpcException Unavailable(string message) => Status(StatusCode.Unavailable, message).ToRpcException();

    public static RpcException DeadlineExceeded(string message) =>
        Status(StatusCode.DeadlineExceeded, message).ToRpcException();

    public static RpcException Internal(string message) => Status(StatusCode.Internal, message).ToRpcException();

    private static RpcStatus Status(StatusCode code, string message) => new() { Code = (int)code, Message = message };
}
