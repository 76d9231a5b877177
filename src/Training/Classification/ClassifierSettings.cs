using Serving.Training.Bert;
using Serving.Training.Optimization;

namespace Serving.Training.Classification;

/// <summary>Which parts of a classifier are learned.</summary>
public enum TrainingMethod
{
    /// <summary>All weights: the baseline, which costs a backbone of its own.</summary>
    Finetune,

    /// <summary>Masks over frozen weights (Zhao et al. 2020).</summary>
    Mask,

    /// <summary>The head alone, over frozen weights: the linear probe.</summary>
    HeadOnly
}

/// <summary>How a classifier is trained.</summary>
public sealed record ClassifierSettings
{
    public required TrainingMethod Method { get; init; }

    /// <summary>Which weights are masked; for masks only.</summary>
    public MaskSettings Mask { get; init; } = new();

    /// <summary>False leaves the random head as it begins, as Zhao et al. 2020 do; for masks only.</summary>
    public bool TrainsHead { get; init; } = true;

    /// <summary>1 to 1000.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Examples of a step, 1 to 4096.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>At the end of the warm-up; above 0, at most 1. Masks need about 100 times that of weights.</summary>
    public float LearningRate { get; init; } = 1e-4f;

    /// <summary>The head's, if it differs; above 0, at most 1.</summary>
    public float? HeadLearningRate { get; init; }

    public Decay Decay { get; init; } = Decay.Linear;

    /// <summary>The part of all steps in which the learning rate rises, 0 to 1.</summary>
    public double WarmUp { get; init; } = 0.1;

    public AdamSettings Adam { get; init; } = new();

    /// <summary>Of hidden states, attention weights and the pooled vector, 0 to below 1.</summary>
    public float Dropout { get; init; } = 0.1f;

    /// <summary>Steps between evaluations; 0 for one at the end of each epoch.</summary>
    public int EvaluationInterval { get; init; }

    /// <summary>Evaluations without a better one after which training stops; 0 for never.</summary>
    public int Patience { get; init; }

    /// <summary>Steps between checkpoints; 0 for none. Results do not depend on it.</summary>
    public int CheckpointInterval { get; init; } = 200;

    /// <summary>Everything random follows from it.</summary>
    public ulong Seed { get; init; }

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        Range.Require(Epochs is >= 1 and <= 1000, nameof(Epochs), Epochs, "1 to 1000");
        Range.Require(BatchSize is >= 1 and <= 4096, nameof(BatchSize), BatchSize, "1 to 4096");
        Range.Require(LearningRate is > 0 and <= 1, nameof(LearningRate), LearningRate, "above 0, at most 1");
        Range.Require(
            HeadLearningRate is null or (> 0 and <= 1), nameof(HeadLearningRate), HeadLearningRate ?? 0,
            "above 0, at most 1");
        Range.Require(WarmUp is >= 0 and <= 1, nameof(WarmUp), WarmUp, "0 to 1");
        Range.Require(Dropout is >= 0 and < 1, nameof(Dropout), Dropout, "0 to below 1");
        Range.Require(EvaluationInterval >= 0, nameof(EvaluationInterval), EvaluationInterval, "0 or more");
        Range.Require(Patience >= 0, nameof(Patience), Patience, "0 or more");
        Range.Require(CheckpointInterval >= 0, nameof(CheckpointInterval), CheckpointInterval, "0 or more");
        Adam.Validate();
    }
}
