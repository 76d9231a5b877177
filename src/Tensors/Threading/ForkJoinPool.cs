using System.Runtime.CompilerServices;

namespace Serving.Tensors.Threading;

/// <summary>Work that splits into items which do not depend on each other.</summary>
internal interface IParallelJob
{
    /// <summary>Does one item.</summary>
    /// <param name="item">0 to items - 1, in no order.</param>
    /// <param name="worker">0 to threads - 1: which scratch memory is this thread's.</param>
    void Execute(int item, int worker);
}

/// <summary>Threads that share the items of one job after another; the caller works along.</summary>
/// <remarks>
/// Items are claimed one by one, so that a thread which the operating system holds up delays at most its own item.
/// Between jobs a worker spins for some microseconds, as long as the gaps inside a forward pass are, and then parks.
/// Running a job allocates nothing.
/// </remarks>
internal sealed unsafe class ForkJoinPool : IDisposable
{
    // About 40 microseconds on Zen 5; the gaps between the operations of a forward pass are below 10.
    private const int SpinsBeforeParking = 1000;

    private readonly Thread[] _workers;
    private readonly Lock _callers = new();
    private readonly object _parking = new();

    // Written by the caller before _generation changes, read by workers after they saw that.
    private void* _job;
    private delegate*<void*, int, int, void> _execute;
    private int _items;

    private int _generation;
    private int _nextItem;
    private int _running;
    private int _parked;
    private bool _stopping;
    private Exception? _failure;

    /// <summary>Starts threads - 1 workers.</summary>
    public ForkJoinPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _workers = new Thread[threads - 1];
        for (var i = 0; i < _workers.Length; i++)
        {
            var worker = i + 1;
            _workers[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"tensors-{worker}" };
            _workers[i].Start();
        }
    }

    public int Threads { get; }

    /// <summary>Workers that have given up spinning.</summary>
    internal int ParkedWorkers => Volatile.Read(ref _parked);

    /// <summary>Runs all items and returns when they are done. Callers on several threads take turns.</summary>
    /// <exception cref="AggregateException">An item failed; the others were done or skipped.</exception>
    public void Run<TJob>(ref TJob job, int items)
        where TJob : struct, IParallelJob
    {
        if (items <= 0)
            return;
        lock (_callers)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            RunShared(Unsafe.AsPointer(ref job), &Execute<TJob>, items); // The job is on the caller's stack.
        }
    }

    public void Dispose()
    {
        lock (_callers)
        {
            _stopping = true;
            Publish();
        }

        foreach (var worker in _workers)
            worker.Join();
    }

    private static void Execute<TJob>(void* job, int item, int worker)
        where TJob : struct, IParallelJob =>
        Unsafe.AsRef<TJob>(job).Execute(item, worker);

    private void RunShared(void* job, delegate*<void*, int, int, void> execute, int items)
    {
        _job = job;
        _execute = execute;
        _items = items;
        _nextItem = 0;
        if (items > 1)
        {
            _running = _workers.Length;
            Publish();
        }

        RunItems(worker: 0);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _running) != 0)
            spinner.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure)
        {
            _failure = null;
            throw new AggregateException(failure);
        }
    }

    private void Publish()
    {
        Interlocked.Increment(ref _generation);
        if (Volatile.Read(ref _parked) == 0)
            return;
        lock (_parking)
            Monitor.PulseAll(_parking);
    }

    private void Work(int worker)
    {
        SchedulingPriority.Lower(SchedulingPriority.Compute);
        var seen = 0;
        while (true)
        {
            seen = AwaitGeneration(seen);
            if (_stopping)
                return;
            RunItems(worker);
            Interlocked.Decrement(ref _running);
        }
    }

    private int AwaitGeneration(int seen)
    {
        for (var spin = 0; spin < SpinsBeforeParking; spin++)
        {
            var generation = Volatile.Read(ref _generation);
            if (generation != seen)
                return generation;
            Thread.SpinWait(1);
        }

        lock (_parking)
        {
            Interlocked.Increment(ref _parked); // A full fence: either Publish sees it, or this thread the generation.
            while (Volatile.Read(ref _generation) == seen)
                Monitor.Wait(_parking);
            Interlocked.Decrement(ref _parked);
        }

        return Volatile.Read(ref _generation);
    }

    private void RunItems(int worker)
    {
        try
        {
            int item;
            while ((item = Interlocked.Increment(ref _nextItem) - 1) < _items)
                _execute(_job, item, worker);
        }
        catch (Exception exception)
        {
            _failure = exception;
            Volatile.Write(ref _nextItem, _items);
        }
    }
}
