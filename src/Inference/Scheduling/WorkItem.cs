using System.Diagnostics;

namespace Serving.Inference.Scheduling;

/// <summary>Work that a caller waits for: its place among others, and how much of it waits or is missing.</summary>
internal abstract class WorkItem
{
    private readonly TimeProvider _time;
    private readonly long _began;
    private Action<WorkItem>? _abandon;
    private CancellationTokenRegistration _cancellation;
    private int _missingUnits;
    private int _waitingUnits;

    /// <param name="deadline">The time after which an answer is of no use; null for never.</param>
    protected WorkItem(int priority, DateTimeOffset? deadline, TimeProvider time)
    {
        Priority = priority;
        Deadline = deadline ?? DateTimeOffset.MaxValue;
        _time = time;
        _began = time.GetTimestamp();
        if (Activity.Current is { Recorded: true } caller)
            Trace = new(caller.Context, time.GetUtcNow());
    }

    /// <summary>Higher goes first.</summary>
    public int Priority { get; }

    public DateTimeOffset Deadline { get; }

    /// <summary>When it was queued, compared with others.</summary>
    public long Order { get; set; }

    /// <summary>Where its spans belong; null if its caller is not traced.</summary>
    public RequestTrace? Trace { get; }

    /// <summary>How long it has waited; the last unit to leave the queue waited longest.</summary>
    public TimeSpan Queued { get; private set; }

    /// <summary>The room that it takes in the queue.</summary>
    public Reservation? Place { get; private set; }

    /// <summary>Answered, failed or cancelled: nothing of it needs to run.</summary>
    public abstract bool IsOver { get; }

    public abstract void Fail(Exception exception);

    /// <summary>Before queuing: from now on a cancellation abandons it.</summary>
    public void Begin(Reservation place, int units, Action<WorkItem> abandon, CancellationToken cancellationToken)
    {
        Place = place;
        _missingUnits = units;
        _waitingUnits = units;
        _abandon = abandon;
        _cancellation = cancellationToken.UnsafeRegister(
            static (state, token) => ((WorkItem)state!).Cancel(token), this);
    }

    /// <summary>Undoes <see cref="Begin"/> for an item that was not queued.</summary>
    public void Withdraw() => _cancellation.Unregister();

    /// <summary>Notes that a unit leaves the queue; the queue's lock is held.</summary>
    /// <returns>Whether it was the last.</returns>
    public bool LeavesQueue() => --_waitingUnits == 0;

    /// <summary>Notes that some of its work begins.</summary>
    public void Start() => Queued = _time.GetElapsedTime(_began);

    /// <summary>Notes that units are done or dropped; the last one completes the item.</summary>
    public void FinishUnits(int units)
    {
        if (units == 0 || Interlocked.Add(ref _missingUnits, -units) > 0)
            return;
        _cancellation.Unregister();
        Complete();
    }

    /// <summary>Answers unless it is over, and lets go of what it holds.</summary>
    protected abstract void Complete();

    /// <returns>False if it was over before.</returns>
    protected abstract bool TryCancel(CancellationToken token);

    private void Cancel(CancellationToken token)
    {
        if (TryCancel(token))
            _abandon!(this);
    }
}
