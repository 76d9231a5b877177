using Serving.Training.Bert;
using Serving.Training.Optimization;

namespace Serving.Training.Pretraining;

/// <summary>How a backbone is pretrained.</summary>
public sealed record PretrainingSettings
{
    /// <summary>1 to ten million.</summary>
    public required long Steps { get; init; }

    /// <summary>Sequences of a step, 1 to 65536.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>At the end of the warm-up; above 0, at most 1.</summary>
    public float LearningRate { get; init; } = 1e-3f;

    public Decay Decay { get; init; } = Decay.Linear;

    /// <summary>The part of all steps in which the learning rate rises, 0 to 1.</summary>
    public double WarmUp { get; init; } = 0.06;

    public AdamSettings Adam { get; init; } = new() { WeightDecay = 0.01f, Beta2 = 0.98f, Epsilon = 1e-6f };

    /// <summary>How the first weights are drawn.</summary>
    public Initialization Initialization { get; init; } = Initialization.Neighbors;

    /// <summary>The standard deviation of the first weights, above 0, at most 1.</summary>
    public double InitialDeviation { get; init; } = InitialBertWeights.Deviation;

    /// <summary>0 to below 1.</summary>
    public float Dropout { get; init; } = 0.1f;

    /// <summary>Steps between evaluations on held-out sequences; 0 for one at the end.</summary>
    public int EvaluationInterval { get; init; }

    /// <summary>Steps between checkpoints; 0 for none. Results do not depend on it.</summary>
    public int CheckpointInterval { get; init; } = 200;

    /// <summary>Everything random follows from it.</summary>
    public ulong Seed { get; init; }

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        const long mostSteps = 10_000_000;
        Range.Require(Steps is >= 1 and <= mostSteps, nameof(Steps), Steps, $"1 to {mostSteps}");
        Range.Require(BatchSize is >= 1 and <= 65_536, nameof(BatchSize), BatchSize, "1 to 65536");
        Range.Require(LearningRate is > 0 and <= 1, nameof(LearningRate), LearningRate, "above 0, at most 1");
        Range.Require(WarmUp is >= 0 and <= 1, nameof(WarmUp), WarmUp, "0 to 1");
        Range.Require(InitialDeviation is > 0 and <= 1, nameof(InitialDeviation), InitialDeviation, "above 0, at most 1");
        Range.Require(Dropout is >= 0 and < 1, nameof(Dropout), Dropout, "0 to below 1");
        Range.Require(EvaluationInterval >= 0, nameof(EvaluationInterval), EvaluationInterval, "0 or more");
        Range.Require(CheckpointInterval >= 0, nameof(CheckpointInterval), CheckpointInterval, "0 or more");
        Adam.Validate();
    }
}
