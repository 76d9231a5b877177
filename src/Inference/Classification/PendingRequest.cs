using System.Diagnostics;
using Serving.Text.Bert;

namespace Serving.Inference.Classification;

/// <summary>An admitted request: the tasks that it uses, its answer so far, and how much of it is missing.</summary>
internal sealed class PendingRequest
{
    private readonly TaskCompletionSource<ClassificationResult> _answer =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Made on the caller's thread, so that the compute loop only fills it.
    private readonly ClassificationResult _result;
    private readonly TimeProvider _time;
    private readonly long _began;
    private ClassificationEngine? _engine;
    private CancellationTokenRegistration _cancellation;
    private int _missingUnits;
    private int _queuedUnits;

    /// <param name="hidden">The length of a pooled vector.</param>
    public PendingRequest(
        ClassificationRequest request, TokenSequence sequence, ResidentTask[] tasks, int hidden, TimeProvider time,
        long order)
    {
        Sequence = sequence;
        Tasks = tasks;
        Order = order;
        IsPaced = request.IsPaced;
        Priority = request.Priority;
        Deadline = request.Deadline ?? DateTimeOffset.MaxValue;
        _time = time;
        _began = time.GetTimestamp();
        Scores = [.. tasks.Select(task => new TaskScores(
            task.Name, task.Task.Version, task.Task.Labels, new float[task.Task.Labels.Count],
            new float[task.Task.Labels.Count])
        {
            Pooled = request.WantsPooled ? new float[hidden] : null
        })];
        _result = new(Scores, sequence.Tokens.Count, sequence.DroppedTokens);
        if (Activity.Current is { Recorded: true } caller)
            Trace = new(caller.Context, time.GetUtcNow());
    }

    public TokenSequence Sequence { get; }

    public ResidentTask[] Tasks { get; }

    public TaskScores[] Scores { get; }

    /// <summary>When it was admitted, compared with others.</summary>
    public long Order { get; }

    /// <summary>See <see cref="ClassificationRequest.IsPaced"/>.</summary>
    public bool IsPaced { get; }

    public int Priority { get; }

    public DateTimeOffset Deadline { get; }

    /// <summary>Where its spans belong; null if its caller is not traced.</summary>
    public RequestTrace? Trace { get; }

    public Task<ClassificationResult> Answer => _answer.Task;

    /// <summary>Answered, failed or cancelled: nothing of it needs to run.</summary>
    public bool IsOver => _answer.Task.IsCompleted;

    /// <summary>How long it has waited; the last unit to leave waited longest.</summary>
    public TimeSpan Queued => _result.Queued;

    /// <summary>Tokens of all its branches.</summary>
    public int BranchTokens => Sequence.Tokens.Count * Tasks.Length;

    /// <summary>Before queuing: from now on a cancellation removes the request from the engine's queue.</summary>
    public void Begin(ClassificationEngine engine, int units, CancellationToken cancellationToken)
    {
        _engine = engine;
        _missingUnits = units;
        _queuedUnits = units;
        _cancellation = cancellationToken.UnsafeRegister(
            static (state, token) => ((PendingRequest)state!).Cancel(token), this);
    }

    /// <summary>Undoes <see cref="Begin"/> for a request that was not admitted.</summary>
    public void Withdraw() => _cancellation.Unregister();

    /// <summary>Notes that a unit leaves the queue; the queue's lock is held.</summary>
    /// <returns>Whether it was the last.</returns>
    public bool LeavesQueue() => --_queuedUnits == 0;

    /// <summary>Notes that some of its work begins.</summary>
    public void Start() => _result.Queued = _time.GetElapsedTime(_began);

    public void Fail(Exception exception) => _answer.TrySetException(exception);

    /// <summary>Notes that units are done or dropped; the last one gives the answer and frees the tasks.</summary>
    public void FinishUnits(int units, TimeSpan computed)
    {
        if (units == 0)
            return;
        _result.AddComputed(computed);
        if (Interlocked.Add(ref _missingUnits, -units) > 0)
            return;
        _cancellation.Unregister();
        foreach (var task in Tasks)
            task.Release();
        _answer.TrySetResult(_result);
    }

    private void Cancel(CancellationToken token)
    {
        if (_answer.TrySetCanceled(token))
            _engine!.Abandon(this);
    }
}

/// <summary>Some branches of a request that run in one batch.</summary>
internal readonly record struct WorkUnit(PendingRequest Request, int FirstTask, int TaskCount)
{
    public int Tokens => Request.Sequence.Tokens.Count * TaskCount;
}
