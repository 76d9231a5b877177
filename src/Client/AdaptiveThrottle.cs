using System.Collections.Concurrent;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Serving.V1;
using RpcStatus = Google.Rpc.Status;

namespace Serving.Client;

/// <summary>Client-side throttling: while servers reject calls, most calls fail here, without being sent.</summary>
/// <remarks>
/// While servers reject calls for a task, the client sends a multiple of the rate that they accepted lately: enough for
/// them to stay saturated, and for the client to notice when they accept more. Once no call was rejected for as long as
/// the last RetryInfo said, all calls are sent. A call that is not sent fails as the server would fail it, with the
/// last RetryInfo. As in Beyer et al., Site Reliability Engineering 2016, ch. 21, but by rates: there the share that is
/// sent depends on the number of attempts, too, so that a burst throttles calls long after it has ended.
/// </remarks>
internal sealed class AdaptiveThrottle(double multiplier, TimeProvider time) : Interceptor
{
    /// <summary>The ErrorInfo reason of calls that were not sent.</summary>
    public const string Reason = "CLIENT_THROTTLED";

    private const int MostTasks = 10_000; // Past that it begins anew: somebody makes names up.

    private readonly ConcurrentDictionary<string, History> _tasks = new(StringComparer.Ordinal);

    public override TResponse BlockingUnaryCall<TRequest, TResponse>(
        TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        BlockingUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        if (TaskOf(request) is not { } task)
            return continuation(request, context);
        var history = Find(task);
        if (history.Refuses() is { } retryAfter)
            throw Refusal(task, retryAfter);
        RpcException? failure = null;
        try
        {
            return continuation(request, context);
        }
        catch (RpcException exception)
        {
            failure = exception;
            throw;
        }
        finally
        {
            history.Note(failure);
        }
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request,
        ClientInterceptorContext<TRequest, TResponse> context,
        AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        if (TaskOf(request) is not { } task)
            return continuation(request, context);
        var history = Find(task);
        if (history.Refuses() is { } retryAfter)
            return Failed<TResponse>(Refusal(task, retryAfter));
        var call = continuation(request, context);
        _ = call.ResponseAsync.ContinueWith(
            static (response, history) => ((History)history!).Note(response.Exception?.InnerException),
            history,
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return call;
    }

    private History Find(string task)
    {
        if (_tasks.TryGetValue(task, out var history))
            return history;
        if (_tasks.Count >= MostTasks)
            _tasks.Clear();
        return _tasks.GetOrAdd(task, static (_, throttle) => throttle.NewHistory(), this);
    }

    private History NewHistory() => new(multiplier, time);

    /// <returns>By what it counts; null for calls that are always sent.</returns>
    private string? TaskOf(object request) => request switch
    {
        _ when double.IsInfinity(multiplier) => null,
        ClassifyRequest classify => classify.Tasks.FirstOrDefault()?.Task,
        EncodeRequest encode => encode.Task?.Task,
        _ => null
    };

    private static RpcException Refusal(string task, Duration retryAfter) => new RpcStatus
    {
        Code = (int)StatusCode.ResourceExhausted,
        Message = $"The server turns away calls for '{task}'; this one was not sent. Retry later."
    }
        .WithDetail(new RetryInfo { RetryDelay = retryAfter })
        .WithDetail(new ErrorInfo { Reason = Reason, Domain = "serving.v1" })
        .ToRpcException();

    private static AsyncUnaryCall<T> Failed<T>(RpcException error) => new(
        Task.FromException<T>(error),
        Task.FromResult(new Metadata()),
        () => error.Status,
        () => error.Trailers,
        static () => { });

    /// <summary>Of the calls for one task.</summary>
    private sealed class History(double multiplier, TimeProvider time)
    {
        private const double WindowSeconds = 1; // Of what was taken, older calls count less and less.
        private const double LeastPerSecond = 5; // So many are sent whatever becomes of them: how else would it learn.
        private const double MostSavedSeconds = 0.1; // Of sending, by callers that paused.

        private readonly Lock _gate = new();
        private long _noted = time.GetTimestamp();
        private long _turnedAway;
        private double _taken;
        private double _permits;
        private Duration? _retryAfter; // Of the last that was turned away, while calls are held back.

        /// <returns>When to retry, of a call that is not to be sent; null for others.</returns>
        public Duration? Refuses()
        {
            lock (_gate)
            {
                if (_retryAfter is null)
                    return null;
                Age();
                if (time.GetElapsedTime(_turnedAway, _noted) > _retryAfter.ToTimeSpan())
                {
                    _retryAfter = null;
                    return null;
                }

                if (_permits < 1)
                    return _retryAfter;
                _permits--;
                return null;
            }
        }

        /// <param name="failure">How a call ended that was sent; null if it was answered.</param>
        public void Note(Exception? failure)
        {
            var retryAfter = RetryAfter(failure);
            lock (_gate)
            {
                Age();
                if (retryAfter is null)
                {
                    _taken++;
                    return;
                }

                if (_retryAfter is null)
                    _permits = 0; // All were sent until now.
                _turnedAway = _noted;
                _retryAfter = retryAfter;
            }
        }

        private static Duration? RetryAfter(Exception? failure) =>
            failure is RpcException { StatusCode: StatusCode.ResourceExhausted } error
            ? error.GetRpcStatus()?.GetDetail<RetryInfo>()?.RetryDelay
            : null;

        private void Age()
        {
            var now = time.GetTimestamp();
            var seconds = time.GetElapsedTime(_noted, now).TotalSeconds;
            _noted = now;
            _taken *= Math.Exp(-seconds / WindowSeconds);
            var perSecond = Math.Max(LeastPerSecond, multiplier * (_taken / WindowSeconds));
            _permits = Math.Min(_permits + (perSecond * seconds), Math.Max(1, perSecond * MostSavedSeconds));
        }
    }
}
