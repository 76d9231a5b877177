using Serving.Jobs.Records;
using Serving.Jobs.Workers;

namespace Serving.Jobs;

/// <summary>What a worker says, as events of its job.</summary>
internal sealed class WorkerEvents
{
    private JobProgress _progress = new(0, 0, 0, 0, 0, SecondsLeft: null);

    /// <returns>Null if it is none.</returns>
    public JobEvent? Of(WorkerMessage message)
    {
        switch (message)
        {
            case WorkerProgress at:
                _progress = new(
                    at.Step, at.TotalSteps, at.Loss, at.LearningRate, at.TokensPerSecond, at.SecondsLeft,
                    _progress.HeldBack);
                return new() { Progress = _progress };
            case WorkerHeldBack held:
                _progress = _progress with { HeldBack = held.IsHeldBack };
                return new() { Progress = _progress };
            case WorkerEvaluation evaluation:
                return new() { Evaluation = new(evaluation.Step, evaluation.Metrics, evaluation.IsBest) };
            case WorkerWarning warning:
                return new() { Warning = new(warning.Step, warning.Message) };
            default:
                return null;
        }
    }
}
