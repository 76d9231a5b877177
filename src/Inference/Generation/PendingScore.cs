using Serving.Inference.Scheduling;

namespace Serving.Inference.Generation;

/// <summary>A text in the engine whose tokens are scored.</summary>
/// <param name="result">What its sequence fills.</param>
internal sealed class PendingScore(ScoreRequest request, ScoreResult result, TimeProvider time)
    : WorkItem(request.Priority, request.Deadline, time)
{
    private readonly TaskCompletionSource<ScoreResult> _answer =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<ScoreResult> Answer => _answer.Task;

    public override bool IsOver => _answer.Task.IsCompleted;

    public override void Fail(Exception exception) => _answer.TrySetException(exception);

    protected override void Complete()
    {
        result.Queued = Queued;
        _answer.TrySetResult(result);
    }

    protected override bool TryCancel(CancellationToken token) => _answer.TrySetCanceled(token);
}
