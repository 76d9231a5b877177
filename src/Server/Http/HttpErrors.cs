using System.Globalization;
using Google.Rpc;
using Grpc.Core;
using Serving.Server.Services;
using RpcStatus = Google.Rpc.Status;

namespace Serving.Server.Http;

/// <summary>
/// Errors over HTTP: the HTTP status that google/rpc/code.proto names for a code, and google.rpc.Status as JSON.
/// </summary>
internal static class HttpErrors
{
    public static Task WriteAsync(HttpContext context, RpcException error, int? httpStatus = null) => WriteAsync(
        context,
        error.GetRpcStatus() ?? new RpcStatus { Code = (int)error.StatusCode, Message = error.Status.Detail },
        httpStatus);

    /// <param name="httpStatus">Another status than the code's.</param>
    public static Task WriteAsync(HttpContext context, RpcStatus status, int? httpStatus = null)
    {
        var retry = status.GetDetail<RetryInfo>();
        context.Response.StatusCode = httpStatus ?? HttpStatus((StatusCode)status.Code, mayRetry: retry is not null);
        SetRetryAfter(context, retry);
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.WriteAsync(HttpApi.Json.Format(status));
    }

    /// <summary>Adds what transcoding leaves out of the errors that it writes.</summary>
    public static void Complete(HttpContext context)
    {
        var failure = new CallFailure();
        context.Features.Set(failure);
        context.Response.OnStarting(() =>
        {
            SetRetryAfter(context, failure.Error?.GetRpcStatus()?.GetDetail<RetryInfo>());
            return Task.CompletedTask;
        });
    }

    private static void SetRetryAfter(HttpContext context, RetryInfo? retry)
    {
        if (retry is not null)
            context.Response.Headers.RetryAfter = Math.Ceiling(
                retry.RetryDelay.ToTimeSpan().TotalSeconds).ToString(CultureInfo.InvariantCulture);
    }

    private static int HttpStatus(StatusCode code, bool mayRetry) => code switch
    {
        StatusCode.OK => StatusCodes.Status200OK,
        StatusCode.Cancelled => StatusCodes.Status499ClientClosedRequest,
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange =>
            StatusCodes.Status400BadRequest,
        StatusCode.DeadlineExceeded => StatusCodes.Status504GatewayTimeout,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists or StatusCode.Aborted => StatusCodes.Status409Conflict,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.ResourceExhausted when !mayRetry => StatusCodes.Status413PayloadTooLarge,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.Unimplemented => StatusCodes.Status501NotImplemented,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError
    };
}
