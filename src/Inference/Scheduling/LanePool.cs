using Serving.Tensors;
using Serving.Threading;

namespace Serving.Inference.Scheduling;

/// <summary>The lanes of a device, which all engines of a process share: a thread each, which runs batches.</summary>
/// <remarks>
/// As soon as a lane is idle, it takes a batch of the engine whose turn it is (<see cref="LaneTurns"/>). A batch that
/// needs the whole device waits until all lanes are idle, and nothing runs beside it; meanwhile no other batch begins.
/// Batches that do not need it run side by side: two small batches on a lane each cost less than one after another on
/// all threads, which wait for each other after every operation and pass intermediate results from one processor's
/// cache to another's. Dispose engines first. The backend is not the pool's.
/// </remarks>
public sealed class LanePool : IDisposable
{
    private readonly object _gate = new();
    private readonly TimeProvider _time;
    private readonly EngineLoad? _load;
    private readonly Lane[] _lanes;
    private readonly Thread[] _threads;

    // Guarded by _gate.
    private readonly LaneTurns _turns = new();
    private int _busyLanes;
    private bool _isWholeDeviceTaken;
    private bool _isStopping;
    private long _busyTicks; // Of all lanes together.
    private string? _loss;
    private Action<string> _lost = static _ => { };

    /// <summary>Starts a thread for each lane.</summary>
    /// <param name="load">Is told when lanes begin to compute, and when the last one has ended.</param>
    public LanePool(TensorBackend backend, TimeProvider time, EngineLoad? load = null)
    {
        Backend = backend;
        _time = time;
        _load = load;
        _lanes = [.. backend.Lanes.Select((part, i) => new Lane(i, part))];
        _threads = [.. _lanes.Select(
            lane => new Thread(() => Loop(lane)) { IsBackground = true, Name = $"lane-{lane.Index}" })];
        foreach (var thread in _threads)
            thread.Start();
    }

    /// <summary>The whole device.</summary>
    public TensorBackend Backend { get; }

    /// <summary>How long the device has computed; a batch on one of its lanes counts as that lane's share.</summary>
    public TimeSpan Busy => TimeSpan.FromTicks(Interlocked.Read(ref _busyTicks) / _lanes.Length);

    /// <summary>How many lanes there are.</summary>
    public int Count => _lanes.Length;

    /// <summary>Guards the queues of all engines.</summary>
    internal object Gate => _gate;

    /// <summary>What the lanes' threads have allocated on the managed heap up to their last batch, in bytes.</summary>
    internal long AllocatedBytes => _lanes.Sum(lane => lane.AllocatedBytes);

    /// <summary>Why the device is gone; null as long as it is there.</summary>
    public string? Loss => Volatile.Read(ref _loss);

    /// <summary>Tells a watcher that the device is gone, once, also if it is already.</summary>
    public void WatchLoss(Action<string> lost)
    {
        lock (_gate)
        {
            _lost += lost;
            if (_loss is null)
                return;
        }

        lost(_loss);
    }

    /// <summary>Ends the threads after the batches that they run.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isStopping = true;
            Monitor.PulseAll(_gate);
        }

        foreach (var thread in _threads)
            thread.Join();
    }

    /// <summary>Lanes take batches of an engine, too, from now on.</summary>
    internal void Add(IEngine engine)
    {
        lock (_gate)
            _turns.Add(engine);
    }

    /// <summary>Waits for the running batches of an engine that has no more work, and forgets it.</summary>
    internal void Remove(IEngine engine)
    {
        WhenIdleAsync(engine).GetAwaiter().GetResult();
        lock (_gate)
        {
            if (_turns.Find(engine) is { } turn)
                _turns.Remove(turn);
        }
    }

    /// <summary>Completes when an engine has no work and the results of its last batch are out.</summary>
    internal Task WhenIdleAsync(IEngine engine)
    {
        lock (_gate)
        {
            if (_turns.Find(engine) is not { } turn || IsIdle(turn))
                return Task.CompletedTask;
            turn.Idle ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            return turn.Idle.Task;
        }
    }

    /// <summary>The device does not answer any more; said once.</summary>
    internal void NoteLoss(DeviceLostException loss)
    {
        Action<string> lost;
        lock (_gate)
        {
            if (_loss is not null)
                return;
            Volatile.Write(ref _loss, loss.Message);
            lost = _lost;
        }

        lost(loss.Message);
    }

    /// <summary>Wakes a lane for work that came. The lock is held.</summary>
    internal void WorkCame() => Monitor.Pulse(_gate);

    /// <summary>Work that waited is gone. The lock is held.</summary>
    internal void WorkWent()
    {
        foreach (var turn in _turns.All)
            TellIfIdle(turn);
        Monitor.Pulse(_gate); // It may have needed the whole device, for which lanes waited.
    }

    private void Loop(Lane lane)
    {
        SchedulingPriority.Lower(SchedulingPriority.Compute);
        var isComputing = false;
        while (true)
        {
            if (!TryTakeBatch(lane, waits: false))
            {
                // Told without the lock: its watchers signal other processes, which nobody who queues has to wait for.
                if (isComputing)
                    _load?.End();
                isComputing = false;
                if (!TryTakeBatch(lane, waits: true))
                    return;
            }

            if (!isComputing)
                _load?.Begin();
            isComputing = true;
            RunBatch(lane);
        }
    }

    /// <returns>False if there is none, or, for one that waits, when the lanes end.</returns>
    private bool TryTakeBatch(Lane lane, bool waits)
    {
        lock (_gate)
        {
            if (lane.Turn is { } last)
            {
                lane.Turn = null;
                last.Running--;
                TellIfIdle(last);
            }

            while (!_isStopping)
            {
                if (TryTakeBatch(lane))
                    return true;
                if (!waits)
                    return false;
                Monitor.Wait(_gate);
            }

            return false;
        }
    }

    private bool TryTakeBatch(Lane lane)
    {
        while (!_isWholeDeviceTaken && _turns.Next() is { } turn)
        {
            var isWide = turn.Engine.NeedsWholeDevice;
            if (isWide && _busyLanes > 0)
                return false;
            var idleLanes = Math.Max(1, _lanes.Length - _busyLanes - (_turns.WithWork - 1));
            if (!turn.Engine.TryTakeBatch(lane.Index, isWide, idleLanes))
            {
                TellIfIdle(turn);
                continue;
            }

            _turns.Take(turn);
            _busyLanes++;
            _isWholeDeviceTaken = isWide;
            lane.Turn = turn;
            lane.IsWide = isWide;
            if (!isWide && _turns.Next() is not null)
                Monitor.Pulse(_gate);
            return true;
        }

        return false;
    }

    private void RunBatch(Lane lane)
    {
        var turn = lane.Turn!;
        var begin = _time.GetTimestamp();
        turn.Engine.RunBatch(lane.Index, lane.IsWide ? Backend : lane.Part);
        var computed = _time.GetElapsedTime(begin);
        lane.AllocatedBytes = GC.GetAllocatedBytesForCurrentThread();
        lock (_gate)
        {
            turn.Engine.EndBatch(lane.Index, computed);
            var laneTime = lane.IsWide ? computed * _lanes.Length : computed;
            turn.VirtualTime += laneTime;
            Interlocked.Add(ref _busyTicks, laneTime.Ticks);
            _busyLanes--;
            if (lane.IsWide)
            {
                _isWholeDeviceTaken = false;
                Monitor.PulseAll(_gate);
            }
        }

        turn.Engine.AnswerBatch(lane.Index, computed);
    }

    private static bool IsIdle(EngineTurn turn) => turn.Running == 0 && !turn.Engine.HasWork;

    private static void TellIfIdle(EngineTurn turn)
    {
        if (turn.Idle is null || !IsIdle(turn))
            return;
        turn.Idle.SetResult();
        turn.Idle = null;
    }

    /// <summary>A part of the device, and the batch that it runs.</summary>
    private sealed class Lane(int index, TensorBackend part)
    {
        public int Index { get; } = index;

        public TensorBackend Part { get; } = part;

        /// <summary>Whose batch it runs; null if it is idle.</summary>
        public EngineTurn? Turn { get; set; }

        /// <summary>Whether the batch runs on the whole device.</summary>
        public bool IsWide { get; set; }

        /// <summary>See <see cref="LanePool.AllocatedBytes"/>.</summary>
        public long AllocatedBytes { get; set; }
    }
}
