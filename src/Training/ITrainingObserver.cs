namespace Serving.Training;

/// <summary>Sees how training goes on; called between steps.</summary>
public interface ITrainingObserver
{
    /// <param name="progress">Of the step that just ended.</param>
    void Stepped(TrainingProgress progress);

    /// <param name="metrics">What was measured, by name.</param>
    /// <param name="isBest">Whether it is the best so far; false where evaluations are not compared.</param>
    void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest);

    /// <summary>Training goes on, but something is to be looked at.</summary>
    /// <param name="message">What, at which step, and where to look.</param>
    void Warned(long step, string message)
    {
    }
}

/// <summary>Where training is.</summary>
/// <param name="Step">Steps done, from 1.</param>
/// <param name="TotalSteps">How many there will be at most.</param>
/// <param name="Loss">The mean over the step's examples, in nats.</param>
/// <param name="Tokens">Of this step.</param>
public sealed record TrainingProgress(long Step, long TotalSteps, double Loss, float LearningRate, long Tokens);
