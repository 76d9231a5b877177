using System.Text.Json.Serialization;
using Serving.Models.Bert;
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

/// <summary>How a classifier is trained. What is not given follows from the method and the backbone.</summary>
public sealed record ClassifierSettings
{
    private readonly AdamSettings? _adam;
    private readonly int? _epochs;
    private readonly float? _dropout;

    [Setting("What is learned.")]
    public required TrainingMethod Method { get; init; }

    [Setting(
        "What the head sees: BERT's own pooler, the hidden state of [CLS], or the mean of all tokens' hidden states.",
        Otherwise = "pooler; mean for a model without one")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Pooling? Pooling { get; init; }

    /// <summary>Which weights are masked; for masks only.</summary>
    [SettingGroup("mask", For = TrainingMethod.Mask)]
    public MaskSettings Mask { get; init; } = new();

    /// <summary>False leaves the random head as it begins, as Zhao et al. 2020 do; for masks only.</summary>
    [Setting("Leaves the head as it begins, random.", Name = "mask.freeze_head", On = false, For = TrainingMethod.Mask)]
    public bool TrainsHead { get; init; } = true;

    /// <remarks>Scores have a long way to their threshold.</remarks>
    [Setting("How often the whole dataset is learned from.", Min = 1, Max = 1000)]
    public int Epochs
    {
        get => _epochs ?? (Method == TrainingMethod.Mask ? 5 : 3);
        init => _epochs = value;
    }

    [Setting("Examples of a step.", Min = 1, Max = 4096, Unit = "examples")]
    public int BatchSize { get; init; } = 32;

    /// <summary>Null for one that follows from the method and the backbone's shape.</summary>
    /// <remarks>
    /// Masks need much more than weights: scores have to cross a threshold, weights only bend.
    /// </remarks>
    [Setting("The learning rate at the end of the warm-up.", Above = 0, Max = 1, Otherwise = Setting.Auto)]
    public float? LearningRate { get; init; }

    /// <summary>
    /// The head's; null beside masks for one that follows from the backbone's width, otherwise for that of the rest.
    /// </summary>
    /// <remarks>At that of scores a head forgets with each batch what it learned from the last.</remarks>
    [Setting("The head's learning rate.", Above = 0, Max = 1, Otherwise = Setting.Auto)]
    public float? HeadLearningRate { get; init; }

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

    /// <summary>The same, with what follows from the backbone where nothing is given.</summary>
    public ClassifierSettings For(BertConfig backbone)
    {
        var rate = LearningRate ?? AutomaticRates.OfBackbone(Method, backbone);
        return this with
        {
            LearningRate = rate,
            HeadLearningRate = HeadLearningRate
                ?? (Method == TrainingMethod.Mask ? AutomaticRates.OfHead(Method, backbone) : rate)
        };
    }

    /// <summary>What the head sees of a model's output.</summary>
    /// <exception cref="SettingException">The model does not have that.</exception>
    public Pooling PoolingOf(BertConfig config) => Pooling != Models.Bert.Pooling.Pooler || config.HasPooler
        ? Pooling ?? config.DefaultPooling
        : throw new SettingException(
            nameof(Pooling), "The model was saved without its pooler; choose cls or mean, or leave the setting out.");

    /// <summary>Which weights are masked: not the pooler's, if nothing comes through it.</summary>
    public MaskSettings MaskOf(BertConfig config) => Mask with
    {
        MasksPooler = Mask.MasksPooler && PoolingOf(config) == Models.Bert.Pooling.Pooler
    };

    /// <exception cref="SettingException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        SettingSet.Check(this);
        Adam.Validate();
    }
}
