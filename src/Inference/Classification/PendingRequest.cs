using Serving.Inference.Scheduling;
using Serving.Text.Bert;

namespace Serving.Inference.Classification;

/// <summary>A request in the engine: the tasks that it uses, and its answer so far.</summary>
internal sealed class PendingRequest : WorkItem
{
    private readonly TaskCompletionSource<ClassificationResult> _answer =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Made on the caller's thread, so that a lane only fills it.
    private readonly ClassificationResult _result;

    /// <param name="hidden">The length of a pooled vector.</param>
    public PendingRequest(
        ClassificationRequest request, TokenSequence sequence, ResidentVersion[] tasks, int hidden, TimeProvider time)
        : base(request.Priority, request.Deadline, time)
    {
        Sequence = sequence;
        Tasks = tasks;
        Scores = [.. tasks.Select(task => new TaskScores(
            task.Name, task.Task.Version, task.Task.Labels, new float[task.Task.Labels.Count],
            new float[task.Task.Labels.Count])
        {
            Pooled = request.WantsPooled ? new float[hidden] : null
        })];
        _result = new(Scores, sequence.Tokens.Count, sequence.DroppedTokens);
    }

    public TokenSequence Sequence { get; }

    public ResidentVersion[] Tasks { get; }

    public TaskScores[] Scores { get; }

    public Task<ClassificationResult> Answer => _answer.Task;

    public override bool IsOver => _answer.Task.IsCompleted;

    /// <summary>Tokens of all its branches.</summary>
    public int BranchTokens => Sequence.Tokens.Count * Tasks.Length;

    public override void Fail(Exception exception) => _answer.TrySetException(exception);

    /// <summary>Notes that a unit has run.</summary>
    public void FinishUnit(TimeSpan computed)
    {
        _result.AddComputed(computed);
        FinishUnits(1);
    }

    protected override void Complete()
    {
        foreach (var task in Tasks)
            task.Release();
        _result.Queued = Queued;
        _answer.TrySetResult(_result);
    }

    protected override bool TryCancel(CancellationToken token) => _answer.TrySetCanceled(token);
}
