namespace Serving.Threading;

/// <summary>A low-priority thread, which takes little time from requests; runs one work item at a time.</summary>
public sealed class BackgroundWorker : IDisposable
{
    private readonly Queue<Action> _work = new();
    private readonly Thread _thread;
    private bool _isStopping;

    /// <summary>Starts the thread, which the operating system schedules after others where it can.</summary>
    public BackgroundWorker()
    {
        _thread = new Thread(Loop) { IsBackground = true, Name = "background" };
        _thread.Start();
    }

    /// <summary>Queues work behind what waits already.</summary>
    /// <exception cref="ObjectDisposedException">The worker has stopped.</exception>
    public Task<T> RunAsync<T>(Func<T> work)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_work)
        {
            ObjectDisposedException.ThrowIf(_isStopping, this);
            _work.Enqueue(() =>
            {
                try
                {
                    result.SetResult(work());
                }
                catch (Exception exception)
                {
                    result.SetException(exception);
                }
            });
            Monitor.Pulse(_work);
        }

        return result.Task;
    }

    /// <summary>Finishes what waits, then stops.</summary>
    public void Dispose()
    {
        lock (_work)
        {
            _isStopping = true;
            Monitor.Pulse(_work);
        }

        _thread.Join();
    }

    private void Loop()
    {
        SchedulingPriority.Lower(SchedulingPriority.Background);
        while (TryTake(out var work))
            work();
    }

    private bool TryTake(out Action work)
    {
        lock (_work)
        {
            while (_work.Count == 0 && !_isStopping)
                Monitor.Wait(_work);
            return _work.TryDequeue(out work!);
        }
    }
}
