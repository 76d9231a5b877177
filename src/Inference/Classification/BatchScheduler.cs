using Serving.Inference.Scheduling;
using Serving.Models.Bert;

namespace Serving.Inference.Classification;

/// <summary>The queue, and which lane runs which part of it next. Thread-safe.</summary>
/// <remarks>
/// A long request gets the whole device, together with other waiting requests, once all lanes are idle. Short requests
/// are shared out among the idle lanes: two small batches side by side cost less than one batch on all threads, which
/// wait for each other after every operation and pass intermediate results from one processor's cache to another's.
/// </remarks>
/// <param name="lanes">How many lanes take batches.</param>
/// <param name="load">Is told when a lane becomes idle or busy.</param>
internal sealed class BatchScheduler(
    BertConfig config, EngineOptions options, int lanes, TimeProvider time, EngineMetrics metrics, EngineLoad? load)
{
    // Guards the fields below; pulsed when a unit comes, a lane is free or the engine stops.
    private readonly object _gate = new();
    private readonly FairQueue _queue = new();
    private readonly AdmissionControl _admission = new(options);
    private bool _isDraining;
    private bool _isStopping;
    private int _busyLanes;
    private bool _isWholeDeviceTaken;

    /// <summary>The load of the whole queue.</summary>
    public AdmissionControl.Load Waiting
    {
        get
        {
            lock (_gate)
                return _admission.Waiting;
        }
    }

    private bool HasToWait => !_isStopping
        && (_queue.TryPeek(out var next) ? _isWholeDeviceTaken || (_busyLanes > 0 && IsLong(next)) : !_isDraining);

    /// <summary>Whether any request for a task would be rejected now; if so, counts one as rejected.</summary>
    public bool IsFull(string task, out TimeSpan retryAfter)
    {
        lock (_gate)
        {
            retryAfter = _admission.RetryAfter;
            if (!_admission.IsFull(task))
                return false;
            metrics.Rejected("queue_full");
            return true;
        }
    }

    /// <exception cref="QueueFullException">Any request for the task would be rejected now.</exception>
    /// <exception cref="EngineClosedException">No more requests are taken.</exception>
    public void ThrowIfFull(string task)
    {
        lock (_gate)
        {
            ThrowIfClosed();
            if (_admission.IsFull(task))
                throw QueueFull();
        }
    }

    /// <summary>Lets a request wait, in units of as many tasks as fit into a batch.</summary>
    /// <exception cref="QueueFullException">There is no room.</exception>
    /// <exception cref="EngineClosedException">No more requests are taken.</exception>
    /// <exception cref="OperationCanceledException">Its caller has given it up.</exception>
    public void Enqueue(PendingRequest request, int tasksPerUnit, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            ThrowIfClosed();
            if (request.IsOver)
                throw new OperationCanceledException(cancellationToken);
            if (!_admission.HasRoom(request))
                throw QueueFull();
            _admission.Enter(request);
            for (var first = 0; first < request.Tasks.Length; first += tasksPerUnit)
            {
                var count = Math.Min(tasksPerUnit, request.Tasks.Length - first);
                _queue.Enqueue(request.Tasks[first].Name, new(request, first, count));
            }

            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Removes the waiting units of a request.</summary>
    /// <returns>How many units were removed.</returns>
    public int Remove(PendingRequest request)
    {
        lock (_gate)
        {
            var removed = _queue.Remove(request);
            if (removed > 0)
            {
                _admission.Leave(request);
                // It may have been a long request, for which lanes waited until all of them were idle.
                Monitor.Pulse(_gate);
            }

            return removed;
        }
    }

    /// <summary>Forgets a task that nobody will ask for again.</summary>
    public void Forget(string task)
    {
        lock (_gate)
            _queue.Forget(task);
    }

    /// <summary>Takes no new requests; lanes end when what waits is done.</summary>
    public void Drain()
    {
        lock (_gate)
        {
            _isDraining = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Lanes end after the batches that they run.</summary>
    /// <returns>False if it was stopped before.</returns>
    public bool Stop()
    {
        lock (_gate)
        {
            if (_isStopping)
                return false;
            _isStopping = true;
            Monitor.PulseAll(_gate);
            return true;
        }
    }

    /// <summary>Fails what still waits after all lanes have ended.</summary>
    public void FailRest(Exception exception)
    {
        while (_queue.TryPeek(out var unit))
        {
            _queue.Dequeue();
            unit.Request.Fail(exception);
            unit.Request.FinishUnits(1, TimeSpan.Zero);
        }
    }

    /// <summary>
    /// Waits for work, then takes what fits into a lane's batch; skips requests that are over or late.
    /// </summary>
    /// <returns>False when the engine stops.</returns>
    public bool TakeBatch(EngineLane lane)
    {
        lane.Batch.Clear();
        lock (_gate)
        {
            while (lane.Batch.Count == 0)
            {
                if (HasToWait)
                    WaitForWork();
                if (_isStopping || _queue.Count == 0)
                    return false;
                Fill(lane);
            }

            _busyLanes++;
            _isWholeDeviceTaken = lane.IsWide;
            if (_queue.Count > 0 && !lane.IsWide)
                Monitor.Pulse(_gate);
            return true;
        }
    }

    /// <summary>Notes that a lane has run its batch.</summary>
    public void EndBatch(EngineLane lane, TimeSpan computed)
    {
        lock (_gate)
        {
            _admission.NoteSpeed(lane.Tokens * _busyLanes, computed); // Assumes that the other lanes are as fast.
            _busyLanes--;
            if (!lane.IsWide)
                return;
            _isWholeDeviceTaken = false;
            Monitor.PulseAll(_gate);
        }
    }

    private void WaitForWork()
    {
        load?.End();
        while (HasToWait)
            Monitor.Wait(_gate);
        load?.Begin();
    }

    private void Fill(EngineLane lane)
    {
        var idle = lanes - _busyLanes;
        lane.IsWide = _queue.TryPeek(out var next) && IsLong(next);
        var share = lane.IsWide || lanes == 1
            ? options.MaxBatchTokens
            : Math.Min(options.MaxBatchTokens / lanes, (_admission.Waiting.Tokens + idle - 1) / idle);
        var now = time.GetUtcNow();
        var tokens = 0;
        var branches = 0;
        while (_queue.TryPeek(out var unit))
        {
            var request = unit.Request;
            if (!request.IsOver && request.Deadline <= now)
            {
                metrics.Rejected("deadline");
                request.Fail(new DeadlinePassedException(
                    $"The deadline {request.Deadline:O} passed while the request waited; "
                    + "allow more time or retry later."));
            }

            var runs = !request.IsOver;
            var fits = tokens + unit.Tokens <= share
                && branches + unit.TaskCount <= options.MaxBatchBranches
                && (lane.IsWide || !IsLong(unit)); // On one lane it would take twice as long.
            if (runs && tokens > 0 && !fits)
                break;
            _queue.Dequeue();
            if (request.LeavesQueue())
                _admission.Leave(request);
            if (!runs)
            {
                request.FinishUnits(1, TimeSpan.Zero);
                continue;
            }

            request.Start();
            tokens += unit.Tokens;
            branches += unit.TaskCount;
            lane.Batch.Add(unit);
        }
    }

    private bool IsLong(WorkUnit unit) =>
        unit.TaskCount * config.MultiplyAdds(unit.Request.Sequence.Tokens.Count) >= options.WholeDeviceMultiplyAdds;

    private void ThrowIfClosed()
    {
        ObjectDisposedException.ThrowIf(_isStopping, typeof(ClassificationEngine));
        if (_isDraining)
        {
            throw new EngineClosedException(
                "The model is being unloaded or the server is stopping; retry on another server.");
        }
    }

    private QueueFullException QueueFull()
    {
        metrics.Rejected("queue_full");
        var (requests, tokens) = _admission.Waiting;
        return new($"The queue is full ({requests} requests, {tokens} tokens); retry later.", _admission.RetryAfter);
    }
}
