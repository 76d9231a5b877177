using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.LanguageModels;

/// <summary>How a language model is trained.</summary>
public sealed record LanguageModelSettings
{
    [Setting("How often all of the text is learned from.", Min = 1, Max = 10_000)]
    public int Epochs { get; init; } = 10;

    [Setting("Sequences of a step.", Min = 1, Max = 65_536, Unit = "sequences")]
    public int BatchSize { get; init; } = 32;

    [Setting("The learning rate at the end of the warm-up.", Above = 0, Max = 1)]
    public float LearningRate { get; init; } = 1e-3f;

    [Setting("The part of all steps in which the learning rate rises, before it falls to 0.", Min = 0, Max = 1)]
    public double WarmUp { get; init; } = 0.05;

    /// <summary>As in Brown et al. 2020, appendix B.</summary>
    [SettingGroup]
    public AdamSettings Adam { get; init; } = new() { WeightDecay = 0.1f, Beta2 = 0.95f };

    [Setting("Dropout of embeddings, hidden states and attention weights.", Min = 0, Below = 1)]
    public float Dropout { get; init; } = 0.1f;

    [SettingGroup("unlikelihood")]
    public UnlikelihoodSettings Unlikelihood { get; init; } = new();

    [Setting("Steps between evaluations.", Min = 0, Unit = "steps", Zero = "one at the end of each epoch")]
    public int EvaluationInterval { get; init; }

    /// <summary>Without unlikelihood alone: with it, there is no best state.</summary>
    [Setting(
        "Evaluations without a lower loss after which training stops; without unlikelihood alone.", Min = 0,
        Zero = "never")]
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
        if (Patience > 0 && Unlikelihood.IsOn)
        {
            throw new SettingException(
                nameof(Patience),
                "With unlikelihood the last state comes out, whatever its loss; leave patience out, choose epochs.");
        }
    }

    /// <exception cref="SettingException">A continuation is longer than a sequence.</exception>
    internal void ValidateFor(int sequenceLength)
    {
        var needed = Unlikelihood.PrefixLength + Unlikelihood.ContinuationLength;
        if (Unlikelihood.IsOn && needed > sequenceLength)
        {
            throw new SettingException(
                "unlikelihood.continuation_length",
                $"A prefix and its continuation have {needed} tokens, more than the {sequenceLength} of a sequence; "
                + "choose longer sequences, or a shorter prefix or continuation.");
        }
    }
}
