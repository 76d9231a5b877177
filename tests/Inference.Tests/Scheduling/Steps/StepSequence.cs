using Serving.Inference.Scheduling;

namespace Serving.Inference.Tests.Scheduling.Steps;

/// <summary>A sequence that is extended a token a step, as in text generation.</summary>
internal sealed class StepSequence(string name, int prompt, int steps, TimeProvider time)
    : WorkItem(priority: 0, deadline: null, time), IWorkUnit
{
    private readonly TaskCompletionSource<int> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Name { get; } = name;

    public WorkItem Item => this;

    public string FairKey => "generate";

    /// <summary>What its cache takes at its longest: it never runs out half-way.</summary>
    public int Tokens { get; } = prompt + steps;

    public int Room => Tokens;

    public int Branches => 1;

    public bool NeedsWholeDevice => false;

    public int StepsDone { get; private set; }

    /// <summary>The number of its steps.</summary>
    public Task<int> Answer => _answer.Task;

    public override bool IsOver => _answer.Task.IsCompleted;

    public bool HasSteps => !IsOver && StepsDone < steps;

    public void Step() => StepsDone++;

    public override void Fail(Exception exception) => _answer.TrySetException(exception);

    protected override void Complete() => _answer.TrySetResult(StepsDone);

    protected override bool TryCancel(CancellationToken token) => _answer.TrySetCanceled(token);
}
