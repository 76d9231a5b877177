using Serving.Inference.Scheduling;
using Serving.Text.Bert;

namespace Serving.Inference.Classification;

/// <summary>A request in the engine: its text, and what is wanted of it.</summary>
internal abstract class PendingRequest(
    TextRequest request, TokenSequence sequence, PendingBranch[] branches, TimeProvider time)
    : WorkItem(request.Priority, request.Deadline, time)
{
    /// <summary>Stands for the backbone without a task where tasks share a device; no task has that name.</summary>
    public const string NoTask = "";

    public TokenSequence Sequence { get; } = sequence;

    /// <summary>Made on the caller's thread, so that a lane only fills what they hold.</summary>
    public PendingBranch[] Branches { get; } = branches;

    /// <summary>Tokens of all its branches.</summary>
    public int BranchTokens => Sequence.Tokens.Count * Branches.Length;

    /// <summary>Lets the tasks go that it uses.</summary>
    public void ReleaseTasks()
    {
        foreach (var branch in Branches)
            branch.Task?.Release();
    }

    /// <summary>Notes that a unit has run.</summary>
    public abstract void FinishUnit(TimeSpan computed);
}

/// <param name="result">Has what the branches fill.</param>
internal sealed class PendingRequest<TResult>(
    TextRequest request, TokenSequence sequence, PendingBranch[] branches, TResult result, TimeProvider time)
    : PendingRequest(request, sequence, branches, time)
    where TResult : RequestResult
{
    private readonly TaskCompletionSource<TResult> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<TResult> Answer => _answer.Task;

    public override bool IsOver => _answer.Task.IsCompleted;

    public override void Fail(Exception exception) => _answer.TrySetException(exception);

    public override void FinishUnit(TimeSpan computed)
    {
        result.AddComputed(computed);
        FinishUnits(1);
    }

    protected override void Complete()
    {
        ReleaseTasks();
        result.Queued = Queued;
        _answer.TrySetResult(result);
    }

    protected override bool TryCancel(CancellationToken token) => _answer.TrySetCanceled(token);
}
