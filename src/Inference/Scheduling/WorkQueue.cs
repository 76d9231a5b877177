using System.Diagnostics.CodeAnalysis;

namespace Serving.Inference.Scheduling;

/// <summary>An engine's queue: who may wait, and what is next. Thread-safe but for what says otherwise.</summary>
/// <param name="limits">What may wait, paced requests aside.</param>
internal sealed class WorkQueue<TUnit>(LanePool lanes, QueueLoad limits, EngineMetrics metrics, TimeProvider time)
    where TUnit : IWorkUnit
{
    // Guarded by lanes.Gate, as all fields below.
    private readonly FairQueue<TUnit> _queue = new();
    private readonly AdmissionControl _admission = new(limits);
    private Action<WorkItem>? _abandon;
    private Action<Reservation>? _release;
    private bool _isDraining;
    private bool _isStopped;
    private long _queued;

    /// <summary>The load of the whole queue.</summary>
    public QueueLoad Waiting
    {
        get
        {
            lock (lanes.Gate)
                return _admission.Waiting;
        }
    }

    /// <summary>Whether units wait and may run. The lock is held.</summary>
    public bool HasWork => !_isStopped && _queue.Count > 0;

    private Action<Reservation> ReleasePlace => _release ??= Release;

    /// <summary>Asks for a place, before anything is done for a request.</summary>
    /// <param name="fairKey">Whose share of the queue it would take.</param>
    /// <param name="isPaced">
    /// Whether the caller limits how many requests it sends at a time: it always has a place.
    /// </param>
    /// <returns>False if there is none; not thrown, since an overloaded server refuses more than it does.</returns>
    /// <exception cref="EngineClosedException">No more requests are taken.</exception>
    /// <exception cref="ObjectDisposedException">The same, for good.</exception>
    public bool TryReserve(
        string fairKey, bool isPaced, [NotNullWhen(true)] out Reservation? place, out QueueRefusal refusal)
    {
        lock (lanes.Gate)
        {
            ThrowIfClosed();
            if (isPaced || !_admission.IsFull(fairKey))
            {
                place = new(fairKey, isPaced, ReleasePlace);
                _admission.Reserve(place);
                refusal = default;
                return true;
            }

            refusal = Refusal();
        }

        place = null;
        metrics.Rejected("queue_full");
        return false;
    }

    /// <summary>Queues an item in a place that was reserved for it.</summary>
    /// <param name="units">At least one, of no more tokens together than may wait.</param>
    /// <returns>False if there is no room for its tokens; the place is not taken then.</returns>
    /// <exception cref="ArgumentException">The place is taken, given back or of another queue.</exception>
    /// <exception cref="EngineClosedException">No more requests are taken.</exception>
    /// <exception cref="ObjectDisposedException">The same, for good.</exception>
    /// <exception cref="OperationCanceledException">Its caller has given it up.</exception>
    public bool TryEnqueue(
        WorkItem item, ReadOnlySpan<TUnit> units, Reservation place, out QueueRefusal refusal,
        CancellationToken cancellationToken)
    {
        item.Begin(place, units.Length, _abandon ??= Abandon, cancellationToken);
        var isQueued = false;
        try
        {
            lock (lanes.Gate)
            {
                ThrowIfClosed();
                if (item.IsOver)
                    throw new OperationCanceledException(cancellationToken);
                isQueued = TryEnqueue(item, units, place);
                refusal = isQueued ? default : Refusal();
            }
        }
        finally
        {
            if (!isQueued)
                item.Withdraw();
        }

        if (!isQueued)
            metrics.Rejected("queue_full");
        return isQueued;
    }

    /// <summary>Forgets a key that nobody will use again.</summary>
    public void Forget(string fairKey)
    {
        lock (lanes.Gate)
            _queue.Forget(fairKey);
    }

    /// <summary>Takes no new requests.</summary>
    public void Drain()
    {
        lock (lanes.Gate)
            _isDraining = true;
    }

    /// <summary>Takes no new requests, and gives none of those that wait.</summary>
    /// <returns>False if it was stopped before.</returns>
    public bool Stop()
    {
        lock (lanes.Gate)
        {
            if (_isStopped)
                return false;
            _isStopped = true;
            lanes.WorkWent();
            return true;
        }
    }

    /// <summary>Fails what still waits once it is stopped.</summary>
    public void FailRest(Exception exception)
    {
        lock (lanes.Gate)
        {
            while (_queue.TryPeek(out var unit))
            {
                Dequeue(unit.Item);
                unit.Item.Fail(exception);
                unit.Item.FinishUnits(1);
            }
        }
    }

    /// <summary>The unit that is next; it stays in the queue. The lock is held.</summary>
    public bool TryPeek([MaybeNullWhen(false)] out TUnit unit) => _queue.TryPeek(out unit);

    /// <summary>
    /// Takes units in their order as long as they fit; drops those that are over or late. The lock is held.
    /// </summary>
    public void Take(List<TUnit> units, in BatchRoom room)
    {
        var now = time.GetUtcNow();
        var taken = 0;
        var branches = 0;
        while (_queue.TryPeek(out var unit))
        {
            var item = unit.Item;
            FailIfLate(item, now);
            var runs = !item.IsOver;
            var fits = taken + unit.Room <= room.Tokens
                && branches + unit.Branches <= room.Branches
                && (room.IsWide || !unit.NeedsWholeDevice);
            if (runs && !fits && (units.Count > 0 || !room.TakesOne))
                break;
            Dequeue(item);
            if (!runs)
            {
                item.FinishUnits(1);
                continue;
            }

            item.Start();
            taken += unit.Room;
            branches += unit.Branches;
            units.Add(unit);
        }
    }

    /// <summary>Notes how fast a batch ran. The lock is held.</summary>
    /// <param name="tokens">What all lanes would have computed in that time.</param>
    public void NoteSpeed(int tokens, TimeSpan computed) => _admission.NoteSpeed(tokens, computed);

    private bool TryEnqueue(WorkItem item, ReadOnlySpan<TUnit> units, Reservation place)
    {
        var tokens = 0;
        foreach (var unit in units)
            tokens += unit.Tokens;
        if (!_admission.Fits(place, tokens))
            return false;
        if (!place.TryTake(ReleasePlace))
            throw new ArgumentException("The place is taken, given back or of another queue.", nameof(place));
        _admission.Enter(place, tokens);
        item.Order = ++_queued;
        foreach (var unit in units)
            _queue.Enqueue(unit);
        lanes.WorkCame();
        return true;
    }

    private void FailIfLate(WorkItem item, DateTimeOffset now)
    {
        if (item.IsOver || item.Deadline > now)
            return;
        metrics.Rejected("deadline");
        item.Fail(new DeadlinePassedException(
            $"The deadline {item.Deadline:O} passed while the request waited; allow more time or retry later."));
    }

    private void Dequeue(WorkItem item)
    {
        _queue.Dequeue();
        if (item.LeavesQueue())
            _admission.Leave(item.Place!);
    }

    /// <summary>Removes an item whose caller no longer waits.</summary>
    private void Abandon(WorkItem item)
    {
        int removed;
        lock (lanes.Gate)
        {
            removed = _queue.Remove(item);
            if (removed > 0)
            {
                _admission.Leave(item.Place!);
                lanes.WorkWent();
            }
        }

        metrics.Cancelled(hasStarted: removed == 0);
        item.FinishUnits(removed);
    }

    private void Release(Reservation place)
    {
        lock (lanes.Gate)
            _admission.Release(place);
    }

    private QueueRefusal Refusal()
    {
        var (requests, tokens) = _admission.Waiting;
        return new(requests, tokens, _admission.RetryAfter);
    }

    private void ThrowIfClosed()
    {
        if (_isStopped)
            throw new ObjectDisposedException("engine", "The engine has stopped.");
        if (_isDraining)
        {
            throw new EngineClosedException(
                "The model is being unloaded or the server is stopping; retry on another server.");
        }
    }
}

/// <summary>What may be taken from a queue at once.</summary>
/// <param name="Tokens">The most, counted over branches.</param>
/// <param name="Branches">The most.</param>
/// <param name="IsWide">Whether units that need the whole device may be among them.</param>
/// <param name="TakesOne">Whether the first unit is taken however large it is.</param>
internal readonly record struct BatchRoom(int Tokens, int Branches, bool IsWide, bool TakesOne);
