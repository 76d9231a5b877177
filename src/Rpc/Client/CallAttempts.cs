using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client.Internal;

/// <summary>What a caller holds of a call, whatever its message types.</summary>
internal interface ICallAttempts : IDisposable
{
    Task<Metadata> ResponseHeadersAsync { get; }

    CallOutcome RequireOutcome();
}

/// <summary>
/// A call as its caller sees it: one attempt, or several where a retry policy says so and nothing of a response was seen.
/// </summary>
internal sealed class CallAttempts<TRequest, TResponse>(
    GrpcChannel channel, Method<TRequest, TResponse> method, string? host, CallOptions options) : ICallAttempts
    where TRequest : class
    where TResponse : class
{
    private readonly RetryRule? _retry = channel.FindRetry(method);

    // Completed with the headers of the attempt that counts; used only where there may be several attempts.
    private readonly TaskCompletionSource<Metadata> _committedHeaders =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private GrpcCall<TRequest, TResponse> _current = new(channel, method, host, options, previousAttempts: 0);
    private bool _isDisposed;

    public GrpcCall<TRequest, TResponse> Current => Volatile.Read(ref _current);

    public Task<Metadata> ResponseHeadersAsync => _retry is null ? Current.ResponseHeadersAsync : _committedHeaders.Task;

    public CallOutcome RequireOutcome() => Current.RequireOutcome();

    /// <summary>Sends one request and reads one response.</summary>
    public async Task<TResponse> RunUnaryAsync(TRequest request)
    {
        TResponse? response = null;
        var call = await AttemptAsync(request, async attempt =>
        {
            response = await attempt.ReadSingleAsync();
        });
        return response ?? throw call.ToException();
    }

    /// <summary>Sends one request; done when response headers are there, or the call has failed.</summary>
    public Task<GrpcCall<TRequest, TResponse>> OpenAsync(TRequest request) =>
        AttemptAsync(request, static _ => Task.CompletedTask);

    /// <summary>Opens a stream of requests; done when response headers are there, or the call has failed.</summary>
    public async Task<GrpcCall<TRequest, TResponse>> OpenStreamAsync(StreamingContent content)
    {
        var call = Current;
        await call.OpenAsync(content);
        Commit(call);
        return call;
    }

    public void Dispose()
    {
        Volatile.Write(ref _isDisposed, true);
        Current.Dispose();
    }

    private async Task<GrpcCall<TRequest, TResponse>> AttemptAsync(
        TRequest request, Func<GrpcCall<TRequest, TResponse>, Task> finish)
    {
        var frame = new PooledBufferWriter();
        var isFrameFree = true;
        var call = Current;
        try
        {
            new MessageWriter(frame, channel.MaxSendMessageSize).Write(
                request,
                method.RequestMarshaller.ContextualSerializer,
                options.WriteOptions.Has(WriteFlags.NoCompress) ? null : call.RequestCompression,
                level: null);
        }
        catch (Exception exception)
        {
            call.Cancel(CallErrors.ToStatus(exception));
            Commit(call);
            return call;
        }

        var payload = frame.WrittenMemory;
        await RunAsync(call);
        if (_retry is not null && payload.Length <= channel.MaxRetryBufferPerCallSize)
        {
            call = await _retry.RunAsync(call, RetryAsync, options.CancellationToken);
        }

        if (isFrameFree)
        {
            frame.Dispose();
        }

        Commit(call);
        return call;

        async Task<GrpcCall<TRequest, TResponse>> RetryAsync(int previousAttempts)
        {
            var next = new GrpcCall<TRequest, TResponse>(channel, method, host, options, previousAttempts);
            Volatile.Write(ref _current, next);
            if (Volatile.Read(ref _isDisposed))
            {
                next.Dispose();
            }

            await RunAsync(next);
            return next;
        }

        async Task RunAsync(GrpcCall<TRequest, TResponse> attempt)
        {
            var content = new UnaryContent(payload);
            await attempt.OpenAsync(content);
            await finish(attempt);
            isFrameFree &= !content.IsBeingSent;
        }
    }

    private void Commit(GrpcCall<TRequest, TResponse> call)
    {
        if (_retry is null)
        {
            return;
        }

        if (call.ResponseHeadersAsync.IsCompletedSuccessfully)
        {
            _committedHeaders.TrySetResult(call.ResponseHeadersAsync.Result);
            return;
        }

        _committedHeaders.TrySetException(call.ToException());
        _ = _committedHeaders.Task.Exception;
    }
}
