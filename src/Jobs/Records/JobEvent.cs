namespace Serving.Jobs.Records;

/// <summary>Something that happened to a job: progress, an evaluation, a warning or a change of its state.</summary>
public sealed record JobEvent
{
    /// <summary>From 1, without gaps; given when it is stored.</summary>
    public long Number { get; init; }

    /// <summary>Given when it is stored.</summary>
    public DateTimeOffset Time { get; init; }

    public JobProgress? Progress { get; init; }

    public JobEvaluation? Evaluation { get; init; }

    public JobWarning? Warning { get; init; }

    public JobState? State { get; init; }

    /// <summary>With a state: why.</summary>
    public string Message { get; init; } = "";
}

/// <summary>How far a job is.</summary>
/// <param name="Loss">The mean over the step's examples, or hidden tokens, in nats.</param>
/// <param name="TokensPerSecond">Since the job's process began.</param>
/// <param name="SecondsLeft">At that speed; null while it is not known.</param>
/// <param name="HeldBack">Whether it could compute, but gets next to nothing of the processors.</param>
public sealed record JobProgress(
    long Step, long TotalSteps, double Loss, double LearningRate, double TokensPerSecond, double? SecondsLeft,
    bool HeldBack = false);

/// <param name="Best">Whether it is the best so far.</param>
public sealed record JobEvaluation(long Step, IReadOnlyDictionary<string, double>? Metrics, bool Best);

/// <summary>Something that people should look at while the job goes on.</summary>
/// <param name="Step">When it happened.</param>
public sealed record JobWarning(long Step, string Message);
