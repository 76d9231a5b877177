using System.Text.Json;

namespace Serving.Jobs.Records;

/// <summary>A job as it is at a moment: the contents of its job.json.</summary>
public sealed record JobRecord
{
    /// <summary>Sorts by the time of submission.</summary>
    public required string Id { get; init; }

    /// <summary>What was asked for, as it came: JSON of the protocol's JobSpec.</summary>
    public JsonElement Spec { get; init; }

    /// <summary>The contents of what it reads, from its submission on; null for a job of a former release.</summary>
    public InputDigests? Inputs { get; init; }

    public JobState State { get; init; }

    /// <summary>Why it failed, or what did not come of publishing; empty for nothing.</summary>
    public string Message { get; init; } = "";

    public DateTimeOffset? Submitted { get; init; }

    public DateTimeOffset? Started { get; init; }

    public DateTimeOffset? Ended { get; init; }

    /// <summary>The last step's; null before the first.</summary>
    public JobProgress? Progress { get; init; }

    /// <summary>Of the result, on held-out data.</summary>
    public IReadOnlyDictionary<string, double> Metrics { get; init; } = new Dictionary<string, double>();

    /// <summary>What was published: the version of the task; empty for none.</summary>
    public string TaskVersion { get; init; } = "";

    /// <summary>The files that came out, once it succeeded.</summary>
    public IReadOnlyList<JobArtifact> Artifacts { get; init; } = [];

    /// <summary>Where it runs.</summary>
    public Placement ReadPlacement() =>
        Spec.ValueKind == JsonValueKind.Object ? JobJson.Read<Placement>(Spec) ?? new() : new();

    /// <summary>What is to become of the result; null if nothing is.</summary>
    public Publication? ReadPublication() =>
        Spec.ValueKind == JsonValueKind.Object && Spec.TryGetProperty("publish", out var publish)
            ? JobJson.Read<Publication>(publish)
            : null;

    /// <summary>The job in another state.</summary>
    public JobRecord Enter(JobState state, string message, DateTimeOffset now) => this with
    {
        State = state,
        Message = message,
        Started = state == JobState.Running ? Started ?? now : Started,
        Ended = state.IsOver() ? now : null
    };
}

/// <summary>A file that came out of a job.</summary>
/// <param name="Name">Its path among the job's artifacts.</param>
public sealed record JobArtifact(string Name, long Bytes);

/// <summary>What is to become of a result; names are empty for none.</summary>
public sealed record Publication
{
    /// <summary>The task that gets a version.</summary>
    public string Task { get; init; } = "";

    /// <summary>An alias of the task that moves to it, if the result is good enough.</summary>
    public string Alias { get; init; } = "";

    /// <summary>Whether no alias moves, not even the default one to a task's first version.</summary>
    public bool NoAlias { get; init; }

    /// <summary>The least metric with which the alias moves.</summary>
    public double? MinMetric { get; init; }

    /// <summary>Whether the metric must be at least that of the version which the alias points at.</summary>
    public bool NotBelowCurrent { get; init; }

    /// <summary>The name of a model that comes out.</summary>
    public string Model { get; init; } = "";
}
