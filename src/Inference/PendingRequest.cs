using Serving.Text.Bert;

namespace Serving.Inference;

/// <summary>An admitted request: what it pinned, where its answer goes, and what is still missing.</summary>
internal sealed class PendingRequest
{
    private readonly TaskCompletionSource<Classification> _answer =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly TimeProvider _time;
    private readonly TimeSpan _began;
    private CancellationTokenRegistration _cancellation;
    private int _missingUnits;

    // Made on the caller's thread, so that the compute loop only fills it.
    private readonly Classification _classification;

    public PendingRequest(
        ClassificationRequest request, TokenSequence sequence, ResidentTask[] tasks, TimeProvider time, long order)
    {
        Sequence = sequence;
        Tasks = tasks;
        Order = order;
        Priority = request.Priority;
        Deadline = request.Deadline ?? DateTimeOffset.MaxValue;
        _time = time;
        _began = Elapsed();
        Scores = [.. tasks.Select(task => new TaskScores(
            task.Name, task.Task.Version, task.Task.Labels, new float[task.Task.Labels.Count], new float[task.Task.Labels.Count]))];
        _classification = new(Scores, sequence.Tokens.Count, sequence.DroppedTokens);
    }

    public TokenSequence Sequence { get; }

    public ResidentTask[] Tasks { get; }

    public TaskScores[] Scores { get; }

    /// <summary>When it was admitted, compared with others.</summary>
    public long Order { get; }

    public int Priority { get; }

    public DateTimeOffset Deadline { get; }

    public Task<Classification> Answer => _answer.Task;

    /// <summary>Answered, failed or cancelled: nothing of it needs to run.</summary>
    public bool IsOver => _answer.Task.IsCompleted;

    /// <summary>Tokens of all its branches.</summary>
    public int BranchTokens => Sequence.Tokens.Count * Tasks.Length;

    public void Begin(int units, CancellationToken cancellationToken)
    {
        _missingUnits = units;
        _cancellation = cancellationToken.UnsafeRegister(
            static (state, token) => ((PendingRequest)state!)._answer.TrySetCanceled(token), this);
    }

    /// <summary>Notes that some of its work leaves the queue.</summary>
    public void Start() => _classification.Queued = Elapsed() - _began; // The last unit to leave waited longest.

    public void Fail(Exception exception) => _answer.TrySetException(exception);

    /// <summary>Notes that a unit is done or dropped; the last one gives the answer and lets the tasks go.</summary>
    public void FinishUnit(TimeSpan computed)
    {
        _classification.Computed += computed;
        if (--_missingUnits > 0)
            return;
        _cancellation.Dispose();
        foreach (var task in Tasks)
            task.Release();
        _answer.TrySetResult(_classification);
    }

    private TimeSpan Elapsed() => _time.GetElapsedTime(0, _time.GetTimestamp());
}

/// <summary>Some branches of a request that run in one batch.</summary>
internal readonly record struct WorkUnit(PendingRequest Request, int FirstTask, int TaskCount)
{
    public int Tokens => Request.Sequence.Tokens.Count * TaskCount;
}
