using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client.Internal;

/// <summary>The response stream of a call.</summary>
internal sealed class ResponseStreamReader<TRequest, TResponse> : IAsyncStreamReader<TResponse>
    where TRequest : class
    where TResponse : class
{
    private static readonly Task<bool> True = Task.FromResult(true);
    private static readonly Task<bool> False = Task.FromResult(false);

    private readonly Task<GrpcCall<TRequest, TResponse>> _opened;
    private int _isReading;

    /// <param name="opened">The call, once its response headers are there or it has failed.</param>
    public ResponseStreamReader(Task<GrpcCall<TRequest, TResponse>> opened) => _opened = opened;

    public TResponse Current => (_opened.IsCompletedSuccessfully ? _opened.Result.Current : null)
        ?? throw new InvalidOperationException("There is no current message; call MoveNext first and stop when it is false.");

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isReading, 1) == 1)
        {
            return Task.FromException<bool>(new InvalidOperationException(
                "Can't read the next message because the previous read is still in progress."));
        }

        if (!_opened.IsCompletedSuccessfully || cancellationToken.CanBeCanceled)
        {
            return WaitAsync(cancellationToken);
        }

        var call = _opened.Result;
        var read = call.ReadAsync(call.CancellationToken);
        if (!read.IsCompletedSuccessfully)
        {
            return WaitAsync(call, read);
        }

        Volatile.Write(ref _isReading, 0);
        return read.Result ? True : AtEnd(call);
    }

    private static Task<bool> AtEnd(GrpcCall<TRequest, TResponse> call) =>
        call.Outcome!.Status.StatusCode == StatusCode.OK ? False : Task.FromException<bool>(call.ToException());

    private async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            var call = await _opened.WaitAsync(cancellationToken);
            await using var registration = cancellationToken.UnsafeRegister(
                static state => ((GrpcCall<TRequest, TResponse>)state!).Cancel(
                    new Status(StatusCode.Cancelled, "Call canceled by the client.")),
                call);
            return await call.ReadAsync(call.CancellationToken) || await AtEnd(call);
        }
        finally
        {
            Volatile.Write(ref _isReading, 0);
        }
    }

    private async Task<bool> WaitAsync(GrpcCall<TRequest, TResponse> call, ValueTask<bool> read)
    {
        try
        {
            return await read || await AtEnd(call);
        }
        finally
        {
            Volatile.Write(ref _isReading, 0);
        }
    }
}

/// <summary>The request stream of a call.</summary>
internal sealed class RequestStreamWriter<TRequest, TResponse> : IClientStreamWriter<TRequest>
    where TRequest : class
    where TResponse : class
{
    private readonly GrpcCall<TRequest, TResponse> _call;
    private readonly StreamingContent _content;
    private readonly PooledBufferWriter _buffer = new();
    private readonly MessageWriter _writer;
    private int _isWriting;
    private bool _isComplete;

    public RequestStreamWriter(GrpcCall<TRequest, TResponse> call, StreamingContent content)
    {
        _call = call;
        _content = content;
        _writer = new MessageWriter(_buffer, call.Channel.MaxSendMessageSize);
        WriteOptions = call.WriteOptions;
    }

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        if (message is null)
        {
            return Task.FromException(new ArgumentNullException(nameof(message)));
        }

        if (_isComplete)
        {
            return Task.FromException(new InvalidOperationException(
                "Can't write the message because the request stream was completed."));
        }

        if (Interlocked.Exchange(ref _isWriting, 1) == 1)
        {
            return Task.FromException(new InvalidOperationException(
                "Can't write the message because the previous write is still in progress."));
        }

        ValueTask write;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var compression = WriteOptions.Has(WriteFlags.NoCompress) ? null : _call.RequestCompression;
            _buffer.Clear();
            _writer.Write(message, _call.Method.RequestMarshaller.ContextualSerializer, compression, level: null);
            write = SendAsync(isFlushed: !WriteOptions.Has(WriteFlags.BufferHint), cancellationToken);
        }
        catch (Exception exception)
        {
            Volatile.Write(ref _isWriting, 0);
            return Task.FromException(exception);
        }

        if (!write.IsCompletedSuccessfully)
        {
            return WaitAsync(write, cancellationToken);
        }

        Volatile.Write(ref _isWriting, 0);
        return Task.CompletedTask;
    }

    public Task CompleteAsync()
    {
        if (Volatile.Read(ref _isWriting) == 1)
        {
            return Task.FromException(new InvalidOperationException(
                "Can't complete the request stream because a write is still in progress."));
        }

        _isComplete = true;
        if (_content.StreamAsync.IsCompleted)
        {
            Complete();
            return Task.CompletedTask;
        }

        return CompleteWhenOpenAsync();
    }

    private async Task CompleteWhenOpenAsync()
    {
        try
        {
            await _content.StreamAsync.WaitAsync(_call.CancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The call has ended; so has its request stream.
        }

        Complete();
    }

    private void Complete()
    {
        _buffer.Dispose();
        _content.Complete();
    }

    private ValueTask SendAsync(bool isFlushed, CancellationToken cancellationToken)
    {
        if (_call.Outcome is not null || !_content.StreamAsync.IsCompletedSuccessfully || cancellationToken.CanBeCanceled)
        {
            return SendWhenOpenAsync(isFlushed, cancellationToken);
        }

        var stream = _content.StreamAsync.Result;
        var write = stream.WriteAsync(_buffer.WrittenMemory, _call.CancellationToken);
        if (!write.IsCompletedSuccessfully)
        {
            return FlushAfterAsync(write, stream, isFlushed, _call.CancellationToken);
        }

        return isFlushed ? new ValueTask(stream.FlushAsync(_call.CancellationToken)) : ValueTask.CompletedTask;
    }

    private async ValueTask SendWhenOpenAsync(bool isFlushed, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_call.CancellationToken, cancellationToken);
        var stream = await _content.StreamAsync.WaitAsync(either.Token);
        await FlushAfterAsync(stream.WriteAsync(_buffer.WrittenMemory, either.Token), stream, isFlushed, either.Token);
    }

    private static async ValueTask FlushAfterAsync(
        ValueTask write, Stream stream, bool isFlushed, CancellationToken cancellationToken)
    {
        await write;
        if (isFlushed)
        {
            await stream.FlushAsync(cancellationToken);
        }
    }

    private async Task WaitAsync(ValueTask write, CancellationToken cancellationToken)
    {
        try
        {
            await write;
        }
        catch (Exception) when (_call.Outcome is not null)
        {
            throw _call.Outcome.Status.StatusCode == StatusCode.OK
                ? new InvalidOperationException("Can't write the message because the call is complete.")
                : _call.ToException();
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The server has answered and takes no more; its answer is only on its way yet.
            throw new RpcException(new Status(
                StatusCode.Cancelled, "The server ended the call while it was written to; the response says why.", exception));
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException)
        {
            // The response tells why; what the caller needs here is a status.
            throw new RpcException(CallErrors.ToStatus(exception));
        }
        finally
        {
            Volatile.Write(ref _isWriting, 0);
        }
    }
}
