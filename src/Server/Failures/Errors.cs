using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Serving.Storage;
using FieldViolation = Google.Rpc.BadRequest.Types.FieldViolation;
using RpcStatus = Google.Rpc.Status;
using StateViolation = Google.Rpc.PreconditionFailure.Types.Violation;

namespace Serving.Server.Failures;

/// <summary>The ways in which calls fail: a status, a sentence with the remedy, and details for programs.</summary>
internal static class Errors
{
    /// <summary>An error of the layers below as a status: the one place that knows both.</summary>
    public static RpcException Of(DomainException error) => error.Kind switch
    {
        ErrorKind.Invalid => InvalidArgument(error.Field!, error.Sentence),
        ErrorKind.NotFound => OfResource(
            StatusCode.NotFound, error.Resource, error.Subject, error.Sentence, $"{error.Remedy}."),
        ErrorKind.FailedPrecondition => FailedPrecondition(error.Subject, error.Sentence),
        ErrorKind.AlreadyExists => AlreadyExists(error.Resource, error.Subject, error.Sentence),
        ErrorKind.Conflict => Plain(StatusCode.Aborted, error.Sentence),
        ErrorKind.TooLarge => TooLarge(error.Sentence),
        ErrorKind.Exhausted => ResourceExhausted(error.Sentence, error.RetryAfter),
        ErrorKind.Unavailable => Unavailable(error.Sentence),
        ErrorKind.Corrupted => Plain(StatusCode.DataLoss, error.Sentence),
        _ => throw new ArgumentOutOfRangeException(nameof(error), error.Kind, "There is no status for this kind.")
    };

    /// <summary>Something in the request is wrong.</summary>
    /// <param name="field">Its path in the request: "inputs[3].text".</param>
    public static RpcException InvalidArgument(string field, string message) =>
        Status(StatusCode.InvalidArgument, $"{field}: {message}")
            .WithDetail(new BadRequest
            {
                FieldViolations = { new FieldViolation { Field = field, Description = message } }
            })
            .ToRpcException();

    /// <summary>Several things in the request are wrong.</summary>
    /// <param name="violations">At least one: its path in the request, and what is wrong with it.</param>
    public static RpcException InvalidArguments(IReadOnlyList<(string Field, string Message)> violations) =>
        Status(
            StatusCode.InvalidArgument,
            string.Join(' ', violations.Select(violation => $"{violation.Field}: {violation.Message}")))
            .WithDetail(new BadRequest
            {
                FieldViolations =
                {
                    violations.Select(violation => new FieldViolation
                    {
                        Field = violation.Field,
                        Description = violation.Message
                    })
                }
            })
            .ToRpcException();

    /// <summary>A name that is not there.</summary>
    /// <param name="kind">"task", "model" and the like.</param>
    /// <param name="known">What is there; the nearest are named.</param>
    /// <param name="remedy">How it comes to be there, without a full stop.</param>
    /// <param name="owner">What it would be of: "task 'sentiment'"; null for nothing.</param>
    public static RpcException NotFound(
        string kind, string name, IEnumerable<string> known, string? remedy = null, string? owner = null) =>
        Of(DomainException.NotFound(kind, name, known, remedy, owner));

    /// <summary>The request is right, the state is not.</summary>
    /// <param name="subject">What is in the wrong state.</param>
    public static RpcException FailedPrecondition(string subject, string message) =>
        Status(StatusCode.FailedPrecondition, message)
            .WithDetail(new PreconditionFailure
            {
                Violations = { new StateViolation { Type = "STATE", Subject = subject, Description = message } }
            })
            .ToRpcException();

    /// <summary>A name that is taken.</summary>
    public static RpcException AlreadyExists(string kind, string name, string message) =>
        OfResource(StatusCode.AlreadyExists, kind, name, message, message);

    /// <summary>Too much for good: trying again does not help.</summary>
    public static RpcException TooLarge(string message) => Plain(StatusCode.ResourceExhausted, message);

    /// <summary>Too much at present.</summary>
    public static RpcException ResourceExhausted(string message, TimeSpan retryAfter) =>
        Status(StatusCode.ResourceExhausted, message)
            .WithDetail(new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) })
            .ToRpcException();

    /// <summary>The server starts or stops.</summary>
    public static RpcException Unavailable(string message) => Plain(StatusCode.Unavailable, message);

    public static RpcException DeadlineExceeded(string message) => Plain(StatusCode.DeadlineExceeded, message);

    public static RpcException Internal(string message) => Plain(StatusCode.Internal, message);

    private static RpcException OfResource(
        StatusCode code, string kind, string name, string message, string description) =>
        Status(code, message)
            .WithDetail(new ResourceInfo { ResourceType = kind, ResourceName = name, Description = description })
            .ToRpcException();

    private static RpcException Plain(StatusCode code, string message) => Status(code, message).ToRpcException();

    private static RpcStatus Status(StatusCode code, string message) => new() { Code = (int)code, Message = message };
}
