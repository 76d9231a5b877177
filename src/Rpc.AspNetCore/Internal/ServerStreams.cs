using Grpc.Core;
using Grpc.Wire;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The request stream of a call.</summary>
internal sealed class RequestStreamReader<TRequest>(MessageReader<TRequest> reader, HttpContextServerCallContext call)
    : IAsyncStreamReader<TRequest>
    where TRequest : class
{
    private static readonly Task<bool> True = Task.FromResult(true);
    private static readonly Task<bool> False = Task.FromResult(false);

    private int _isReading;

    public TRequest Current => reader.Current
        ?? throw new InvalidOperationException("There is no current message; call MoveNext first and stop when it is false.");

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isReading, 1) == 1)
        {
            return Task.FromException<bool>(new InvalidOperationException(
                "Can't read the next message because the previous read is still in progress."));
        }

        var read = ReadAsync(cancellationToken);
        if (!read.IsCompletedSuccessfully)
        {
            return WaitAsync(read);
        }

        Volatile.Write(ref _isReading, 0);
        return read.Result ? True : False;
    }

    private ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            // The pipe knows by itself when the client goes away; only a deadline and the caller's token come on top.
            return reader.ReadAsync(cancellationToken.CanBeCanceled ? cancellationToken : call.DeadlineToken);
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<bool>(exception);
        }
    }

    private async Task<bool> WaitAsync(ValueTask<bool> read)
    {
        try
        {
            return await read;
        }
        catch (OperationCanceledException) when (call.IsDeadlineExceeded)
        {
            throw HttpContextServerCallContext.DeadlineExceeded();
        }
        finally
        {
            Volatile.Write(ref _isReading, 0);
        }
    }
}

/// <summary>The response stream of a call.</summary>
internal sealed class ResponseStreamWriter<TResponse>(
    Action<TResponse, SerializationContext> serializer, HttpContextServerCallContext call)
    : IServerStreamWriter<TResponse>
    where TResponse : class
{
    private int _isWriting;

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(TResponse message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(TResponse message, CancellationToken cancellationToken)
    {
        if (message is null)
        {
            return Task.FromException(new ArgumentNullException(nameof(message)));
        }

        if (Interlocked.Exchange(ref _isWriting, 1) == 1)
        {
            return Task.FromException(new InvalidOperationException(
                "Can't write the message because the previous write is still in progress."));
        }

        ValueTask flush;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var options = WriteOptions ?? call.WriteOptions;
            call.WriteMessage(message, serializer, options);
            flush = options.Has(WriteFlags.BufferHint)
                ? ValueTask.CompletedTask
                : call.FlushAsync(cancellationToken);
        }
        catch (Exception exception)
        {
            Volatile.Write(ref _isWriting, 0);
            return Task.FromException(exception);
        }

        if (!flush.IsCompletedSuccessfully)
        {
            return WaitAsync(flush);
        }

        Volatile.Write(ref _isWriting, 0);
        return Task.CompletedTask;
    }

    private async Task WaitAsync(ValueTask flush)
    {
        try
        {
            await flush;
        }
        finally
        {
            Volatile.Write(ref _isWriting, 0);
        }
    }
}
