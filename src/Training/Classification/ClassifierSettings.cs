using Serving.Training.Bert;
using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.Classification;

/// <summary>Which parts of a classifier are learned.</summary>
public enum TrainingMethod
{
    /// <summary>All weights: the baseline, which costs a backbone of its own.</summary>
    [Choice("finetune")]
    Finetune,

    /// <summary>Masks over frozen weights (Zhao et al. 2020).</summary>
    [Choice("mask")]
    Mask,

    /// <summary>The head alone, over frozen weights: the linear probe.</summary>
    [Choice("head")]
    HeadOnly
}

/// <summary>How a classifier is trained. What is not given follows from the method.</summary>
public sealed record ClassifierSettings
{
    private readonly float? _learningRate;
    private readonly float? _headLearningRate;
    private readonly bool _hasHeadLearningRate;
    private readonly AdamSettings? _adam;
    private readonly float? _dropout;

    [Setting("What is learned.")]
    public required TrainingMethod Method { get; init; }

    /// <summary>Which weights are masked; for masks only.</summary>
    [SettingGroup("mask", For = TrainingMethod.Mask)]
    public MaskSettings Mask { get; init; } = new();

    /// <summary>False leaves the random head as it begins, as Zhao et al. 2020 do; for masks only.</summary>
    [Setting("Leaves the head as it begins, random.", Name = "mask.freeze_head", On = false, For = TrainingMethod.Mask)]
    public bool TrainsHead { get; init; } = true;

    [Setting("How often the whole dataset is learned from.", Min = 1, Max = 1000)]
    public int Epochs { get; init; } = 3;

    [Setting("Examples of a step.", Min = 1, Max = 4096, Unit = "examples")]
    public int BatchSize { get; init; } = 32;

    /// <remarks>
    /// Masks need about 100 times that of weights: scores have to cross a threshold, weights only bend.
    /// </remarks>
    [Setting("The learning rate at the end of the warm-up.", Above = 0, Max = 1)]
    public float LearningRate
    {
        get => _learningRate ?? Method switch
        {
            TrainingMethod.Finetune => 1e-4f,
            TrainingMethod.Mask => 2e-2f,
            _ => 1e-2f
        };
        init => _learningRate = value;
    }

    /// <summary>The head's, if it differs; null for that of the rest.</summary>
    /// <remarks>At that of scores a head forgets with each batch what it learned from the last.</remarks>
    [Setting("The head's learning rate.", Above = 0, Max = 1, Otherwise = "that of the rest")]
    public float? HeadLearningRate
    {
        get => _hasHeadLearningRate ? _headLearningRate : Method == TrainingMethod.Mask ? 3e-3f : null;
        init => (_headLearningRate, _hasHeadLearningRate) = (value, true);
    }

    public Decay Decay { get; init; } = Decay.Linear;

    [Setting("The part of all steps in which the learning rate rises, before it falls to 0.", Min = 0, Max = 1)]
    public double WarmUp { get; init; } = 0.1;

    /// <summary>Weights that only bend decay by default; scores and heads do not.</summary>
    [SettingGroup]
    public AdamSettings Adam
    {
        get => _adam ?? new() { WeightDecay = Method == TrainingMethod.Finetune ? 0.01f : 0 };
        init => _adam = value;
    }

    /// <remarks>Masks leave little to forget.</remarks>
    [Setting("Dropout of hidden states, attention weights and the pooled vector.", Min = 0, Below = 1)]
    public float Dropout
    {
        get => _dropout ?? (Method == TrainingMethod.Mask ? 0 : 0.1f);
        init => _dropout = value;
    }

    [Setting("Steps between evaluations.", Min = 0, Unit = "steps", Zero = "one at the end of each epoch")]
    public int EvaluationInterval { get; init; }

    [Setting("Evaluations without a better one after which training stops.", Min = 0, Zero = "never")]
    public int Patience { get; init; }

    [Setting("Steps between checkpoints; the result does not depend on it.", Min = 0, Unit = "steps", Zero = "none")]
    public int CheckpointInterval { get; init; } = 200;

    [Setting("Everything random follows from it.")]
    public ulong Seed { get; init; }

    /// <exception cref="SettingException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        SettingSet.Check(this);
        Adam.Validate();
    }
}
