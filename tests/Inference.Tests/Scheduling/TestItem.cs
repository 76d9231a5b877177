using Serving.Inference.Scheduling;

namespace Serving.Inference.Tests.Scheduling;

/// <summary>An item of one unit, for a queue whose items only have a name.</summary>
internal sealed class TestItem(
    string fairKey, string name, int tokens = 10, int priority = 0, DateTimeOffset? deadline = null,
    bool needsWholeDevice = false)
    : WorkItem(priority, deadline, TimeProvider.System), IWorkUnit
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Name { get; } = name;

    public WorkItem Item => this;

    public string FairKey { get; } = fairKey;

    public int Tokens { get; } = tokens;

    public int Room => Tokens;

    public int Branches => 1;

    public bool NeedsWholeDevice { get; } = needsWholeDevice;

    public Task Done => _done.Task;

    public override bool IsOver => _done.Task.IsCompleted;

    public override void Fail(Exception exception) => _done.TrySetException(exception);

    protected override void Complete() => _done.TrySetResult();

    protected override bool TryCancel(CancellationToken token) => _done.TrySetCanceled(token);
}
