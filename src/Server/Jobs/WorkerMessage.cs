using System.Text.Json;
using System.Text.Json.Serialization;

namespace Serving.Server.Jobs;

/// <summary>What a worker says, a line of JSON each.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(WorkerReady), "ready")]
[JsonDerivedType(typeof(WorkerProgress), "progress")]
[JsonDerivedType(typeof(WorkerEvaluation), "evaluation")]
[JsonDerivedType(typeof(WorkerDone), "done")]
[JsonDerivedType(typeof(WorkerFailed), "failed")]
[JsonDerivedType(typeof(WorkerCancelled), "cancelled")]
internal abstract record WorkerMessage
{
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
internal sealed record WorkerReady : WorkerMessage;

internal sealed record WorkerProgress(
    long Step, long TotalSteps, double Loss, double LearningRate, double TokensPerSecond,
    double? SecondsLeft) : WorkerMessage;

internal sealed record WorkerEvaluation(
    long Step, IReadOnlyDictionary<string, double> Metrics, bool IsBest) : WorkerMessage;

/// <param name="TaskVersion">The folder of a task version; null if there is none.</param>
/// <param name="Model">The folder of a model; null if there is none.</param>
internal sealed record WorkerDone(
    IReadOnlyDictionary<string, double> Metrics, string? TaskVersion, string? Model) : WorkerMessage;

internal sealed record WorkerFailed(string Message) : WorkerMessage;

internal sealed record WorkerCancelled : WorkerMessage;
