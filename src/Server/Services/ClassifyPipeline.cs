using System.Threading.Channels;
using Grpc.Core;

namespace Serving.Server.Services;

/// <summary>A stream of inputs: reads ahead up to a limit, answers in the order in which answers are ready.</summary>
/// <remarks>
/// An input counts until its answer is written, so that a client that does not read slows only itself.
/// </remarks>
internal sealed class ClassifyPipeline(
    IAsyncStreamReader<V1.ClassifyStreamRequest> requests,
    IServerStreamWriter<V1.ClassifyStreamResponse> responses,
    int maxInFlight,
    Func<V1.ClassifyStreamRequest, CancellationToken, Task<V1.ClassifyStreamResponse>> answer)
{
    private static readonly WriteOptions WaitForMore = new(WriteFlags.BufferHint);

    private readonly SemaphoreSlim _permits = new(maxInFlight);
    private readonly TaskCompletionSource _nothingInWork = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<V1.ClassifyStreamResponse> _ready =
        Channel.CreateUnbounded<V1.ClassifyStreamResponse>(new() { SingleReader = true });

    private int _inWork = 1; // Inputs whose answer is not ready, and one for the reading.

    /// <param name="stopping">Ends the reading: what was read is answered, then the call ends with UNAVAILABLE.</param>
    /// <param name="cancelled">The call is over: everything is given up.</param>
    public async Task RunAsync(CancellationToken stopping, CancellationToken cancelled)
    {
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
        var writing = WriteAsync(failed, cancelled);
        var isStopped = false;
        try
        {
            isStopped = await ReadAsync(stopping, failed.Token);
            for (var i = 0; i < maxInFlight; i++) // All permits are back: everything is answered.
                await _permits.WaitAsync(failed.Token);
        }
        catch
        {
            await failed.CancelAsync();
            throw;
        }
        finally
        {
            // Until each input has seen its cancellation: a source that is disposed of before tells the rest nothing.
            EndWork();
            await _nothingInWork.Task;
            _ready.Writer.TryComplete();
            await writing;
        }

        if (isStopped)
            throw Errors.Unavailable("The server is stopping; send the inputs that are not answered to another one.");
    }

    /// <returns>Whether the server stopped it.</returns>
    private async Task<bool> ReadAsync(CancellationToken stopping, CancellationToken cancelled)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancelled);
        try
        {
            while (await requests.MoveNext(ends.Token))
            {
                await _permits.WaitAsync(cancelled);
                Interlocked.Increment(ref _inWork);
                _ = AnswerAsync(requests.Current, cancelled);
            }

            return false;
        }
        catch (Exception) when (stopping.IsCancellationRequested && !cancelled.IsCancellationRequested)
        {
            return true;
        }
    }

    private async Task AnswerAsync(V1.ClassifyStreamRequest request, CancellationToken cancelled)
    {
        try
        {
            _ready.Writer.TryWrite(await answer(request, cancelled));
        }
        catch (Exception exception)
        {
            _ready.Writer.TryComplete(exception); // A fault of ours, not the input's: it ends the call.
        }
        finally
        {
            EndWork();
        }
    }

    private void EndWork()
    {
        if (Interlocked.Decrement(ref _inWork) == 0)
            _nothingInWork.SetResult();
    }

    /// <param name="cancelled">
    /// The token of writes. A write whose token is cancelled resets the call, so it is the call's own: a call that
    /// failed has still to end with its status.
    /// </param>
    private async Task WriteAsync(CancellationTokenSource failed, CancellationToken cancelled)
    {
        try
        {
            while (await _ready.Reader.WaitToReadAsync())
            {
                while (_ready.Reader.TryRead(out var response))
                {
                    if (failed.IsCancellationRequested)
                        return; // The reading failed, and its error ends the call.
                    responses.WriteOptions = _ready.Reader.TryPeek(out _) ? WaitForMore : null;
                    await responses.WriteAsync(response, cancelled);
                    _permits.Release();
                }
            }
        }
        catch
        {
            await failed.CancelAsync(); // Nobody reads any more.
            throw;
        }
    }
}
