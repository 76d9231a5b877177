using System.Text.Json;
using System.Text.Json.Serialization;

namespace Serving.Jobs.Workers;

/// <summary>What a worker says, a line of JSON each.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(WorkerReady), "ready")]
[JsonDerivedType(typeof(WorkerProgress), "progress")]
[JsonDerivedType(typeof(WorkerEvaluation), "evaluation")]
[JsonDerivedType(typeof(WorkerWarning), "warning")]
[JsonDerivedType(typeof(WorkerHeldBack), "held_back")]
[JsonDerivedType(typeof(WorkerDone), "done")]
[JsonDerivedType(typeof(WorkerFailed), "failed")]
[JsonDerivedType(typeof(WorkerCancelled), "cancelled")]
public abstract record WorkerMessage
{
    /// <summary>The line on a worker's standard input that cancels its job.</summary>
    public const string Cancel = "cancel";

    /// <returns>Null if the line is something else.</returns>
    public static WorkerMessage? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<WorkerMessage>(line);
        }
        catch (JsonException)
        {
            return null; // Something else wrote to the output, or the process ended in the middle of a line.
        }
    }

    public string ToLine() => JsonSerializer.Serialize(this);
}

/// <summary>It may be halted from now on: even so, it ends with the server.</summary>
public sealed record WorkerReady : WorkerMessage;

public sealed record WorkerProgress(
    long Step, long TotalSteps, double Loss, double LearningRate, double TokensPerSecond,
    double? SecondsLeft) : WorkerMessage;

public sealed record WorkerEvaluation(
    long Step, IReadOnlyDictionary<string, double> Metrics, bool IsBest) : WorkerMessage;

/// <summary>Something that people should look at; the job goes on.</summary>
public sealed record WorkerWarning(long Step, string Message) : WorkerMessage;

/// <summary>Said for a worker that can't say it itself, at each change.</summary>
/// <param name="IsHeldBack">Whether it could compute, but gets next to nothing of the processors.</param>
public sealed record WorkerHeldBack(bool IsHeldBack) : WorkerMessage;

/// <param name="TaskVersion">The folder of a task version; null if there is none.</param>
/// <param name="Model">The folder of a model; null if there is none.</param>
public sealed record WorkerDone(
    IReadOnlyDictionary<string, double> Metrics, string? TaskVersion, string? Model) : WorkerMessage;

public sealed record WorkerFailed(string Message) : WorkerMessage;

public sealed record WorkerCancelled : WorkerMessage;
