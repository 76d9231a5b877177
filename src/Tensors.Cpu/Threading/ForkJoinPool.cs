using System.Runtime.CompilerServices;
using Serving.Threading;

namespace Serving.Tensors.Cpu.Threading;

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
/// Items are claimed one by one, and a call waits for items, not for threads: a thread that the operating system delays
/// holds up at most the item that it runs.
/// Between jobs a worker spins for some microseconds, as long as the gaps inside a forward pass, and then parks.
/// Running a job allocates nothing.
/// </remarks>
internal sealed unsafe class ForkJoinPool : IDisposable
{
    // About 40 microseconds on Zen 5; the gaps between the operations of a forward pass are below 10.
    private const int SpinsBeforeParking = 1000;

    private readonly Thread[] _workers;
    private readonly Lock _callers = new();
    private readonly object _parking = new();

    // The job: written before its tickets, read by whoever claims one, and kept until all its items are finished.
    private void* _job;
    private delegate*<void*, int, int, void> _execute;
    private Exception? _failure;

    // The job's number of items in the upper half, the next item to claim in the lower. A thread that comes late, even
    // after another job has begun, learns from this one word whether it has claimed an item and whether the job still
    // exists.
    private long _tickets;
    private int _unfinished;

    private int _generation; // Jobs shared so far.
    private int _parked;
    private bool _stopping;

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
            Volatile.Write(ref _stopping, true);
            Wake();
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
        _unfinished = items;
        // The caller takes the first item, so that a job of one item never waits for another thread.
        var first = (long)items << 32;
        Interlocked.Exchange(ref _tickets, first + 1);
        if (items > 1)
            Wake();
        RunItems(first, worker: 0);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _unfinished) != 0)
            spinner.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure)
        {
            _failure = null;
            throw new AggregateException(failure);
        }
    }

    private void Wake()
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
        while (!Volatile.Read(ref _stopping))
        {
            if (AwaitItems())
                RunItems(Claim(), worker);
        }
    }

    /// <returns>False after it was woken: the job that woke it may be done already, and the next one is near.</returns>
    private bool AwaitItems()
    {
        var generation = Volatile.Read(ref _generation);
        for (var spin = 0; spin < SpinsBeforeParking; spin++)
        {
            if (IsItem(Volatile.Read(ref _tickets)))
                return true;
            Thread.SpinWait(1);
        }

        lock (_parking)
        {
            Interlocked.Increment(ref _parked); // A full fence: either Wake sees it, or this thread the generation.
            // A worker may have looked at _stopping before Dispose set it, and at the generation after Dispose's wake.
            while (Volatile.Read(ref _generation) == generation && !Volatile.Read(ref _stopping))
                Monitor.Wait(_parking);
            Interlocked.Decrement(ref _parked);
        }

        return false;
    }

    private long Claim() => Interlocked.Increment(ref _tickets) - 1;

    private static bool IsItem(long ticket) => (int)ticket < (int)(ticket >> 32);

    private void RunItems(long ticket, int worker)
    {
        var finished = 0;
        for (; IsItem(ticket); ticket = Claim())
        {
            finished++;
            if (_failure is not null)
                continue;
            try
            {
                _execute(_job, (int)ticket, worker);
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
        }

        if (finished > 0)
            Interlocked.Add(ref _unfinished, -finished); // Last: until then the job and its tickets stay valid.
    }
}
