using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Serving.V1;
using RpcStatus = Google.Rpc.Status;
using Task = System.Threading.Tasks.Task;

namespace Serving.Client;

/// <summary>Spares servers that turn calls away most of what they would only turn away.</summary>
/// <remarks>
/// Adaptive throttling (Beyer et al., Site Reliability Engineering 2016, ch. 21, "Client-Side Throttling"): of the calls of late,
/// as many are sent as the servers took, times a multiplier, so that they always see more than they can do and the client learns
/// at once when they can do more. Counted by task, as servers share themselves out, over some two seconds. A call that is not sent
/// fails as the server would fail it, with the RetryInfo that it gave last.
/// </remarks>
internal sealed class AdaptiveThrottle(double multiplier, TimeProvider time) : Interceptor
{
    /// <summary>The ErrorInfo reason of calls that were not sent.</summary>
    public const string Reason = "CLIENT_THROTTLED";

    private readonly ConcurrentDictionary<string, History> _tasks = new(StringComparer.Ordinal);

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        if (TaskOf(request) is not { } task)
            return continuation(request, context);
        var history = _tasks.GetOrAdd(task, static (_, time) => new(time), time);
        if (history.Refuses(multiplier) is { } retryAfter)
            return Failed<TResponse>(task, retryAfter);
        var call = continuation(request, context);
        _ = call.ResponseAsync.ContinueWith(
            static (response, history) => ((History)history!).Note(response),
            history,
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return call;
    }

    private static string? TaskOf(object request) => request switch
    {
        ClassifyRequest classify => classify.Tasks.FirstOrDefault()?.Task,
        EncodeRequest encode => encode.Task?.Task,
        _ => null
    };

    private static AsyncUnaryCall<T> Failed<T>(string task, Duration retryAfter)
    {
        var error = new RpcStatus
        {
            Code = (int)StatusCode.ResourceExhausted,
            Message = $"The server turns away calls for '{task}'; this one was not sent. Retry later."
        }
            .WithDetail(new RetryInfo { RetryDelay = retryAfter })
            .WithDetail(new ErrorInfo { Reason = Reason, Domain = "serving.v1" })
            .ToRpcException();
        return new(
            Task.FromException<T>(error),
            Task.FromResult(new Metadata()),
            () => error.Status,
            () => error.Trailers,
            static () => { });
    }

    /// <summary>Of the calls for one task.</summary>
    private sealed class History(TimeProvider time)
    {
        private const double WindowSeconds = 2;
        private const double FewCalls = 10; // Nothing is held back before there were that many.
        private const double GoldenRatio = 0.6180339887498949; // Its multiples fall evenly between 0 and 1.

        private readonly Lock _gate = new();
        private long _noted = time.GetTimestamp();
        private double _wanted;
        private double _taken;
        private double _lot;
        private Duration? _retryAfter;

        /// <returns>When to retry, of a call that is not to be sent; null for others.</returns>
        public Duration? Refuses(double multiplier)
        {
            lock (_gate)
            {
                if (_retryAfter is null)
                    return null;
                Age();
                var share = (_wanted - (multiplier * _taken)) / (_wanted + FewCalls);
                _lot = (_lot + GoldenRatio) % 1;
                if (!(_lot < share)) // So, too, where an endless multiplier makes it no number.
                    return null;
                _wanted++;
                return _retryAfter;
            }
        }

        public void Note<T>(Task<T> response)
        {
            var retryAfter = RetryAfter(response);
            lock (_gate)
            {
                if (_retryAfter is null && retryAfter is null)
                    return; // It begins with the first that is turned away.
                Age();
                _wanted++;
                if (retryAfter is null)
                    _taken++;
                else
                    _retryAfter = retryAfter;
            }
        }

        private static Duration? RetryAfter(Task response) =>
            response.Exception?.InnerException is RpcException { StatusCode: StatusCode.ResourceExhausted } error
                ? error.GetRpcStatus()?.GetDetail<RetryInfo>()?.RetryDelay
                : null;

        private void Age()
        {
            var now = time.GetTimestamp();
            var left = Math.Exp(-time.GetElapsedTime(_noted, now).TotalSeconds / WindowSeconds);
            (_noted, _wanted, _taken) = (now, _wanted * left, _taken * left);
        }
    }
}
