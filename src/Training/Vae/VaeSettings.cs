using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.Vae;

/// <summary>How a variational autoencoder is trained.</summary>
public sealed record VaeSettings
{
    [Setting("How often all of the text is learned from.", Min = 1, Max = 10_000)]
    public int Epochs { get; init; } = 40;

    [Setting("Texts of a step.", Min = 1, Max = 65_536, Unit = "texts")]
    public int BatchSize { get; init; } = 32;

    [Setting("The learning rate.", Above = 0, Max = 1)]
    public float LearningRate { get; init; } = 1e-3f;

    /// <summary>What the code of Fu et al. 2019 does in its cyclical run alone.</summary>
    [Setting("Lets the learning rate fall along half a cosine in each cycle of the divergence's weight.")]
    public bool RestartRate { get; init; }

    /// <summary>Of each of the two networks by itself, which are stepped apart.</summary>
    [SettingGroup]
    public AdamSettings Adam { get; init; } = new() { MaxGradientNorm = 5 };

    [Setting("Dropout of the decoder's embeddings and hidden states.", Min = 0, Below = 1)]
    public float Dropout { get; init; } = 0.5f;

    [Setting(
        "The part of words that the decoder does not see, so that it needs the latent (word dropout).", Min = 0,
        Max = 1)]
    public double WordDropout { get; init; }

    [SettingGroup("kl")]
    public KlSchedule Kl { get; init; } = new();

    [Setting("Nats of each dimension of the latent that cost nothing (free bits).", Min = 0, Max = 1000)]
    public double FreeNats { get; init; }

    [Setting(
        "Trains the encoder in a loop of its own before each step of the decoder, until the mutual information of text "
        + "and latent rises no more (He et al. 2019).")]
    public bool Aggressive { get; init; }

    [Setting("Steps between evaluations.", Min = 0, Unit = "steps", Zero = "one at the end of each epoch")]
    public int EvaluationInterval { get; init; }

    [Setting("Evaluations without a lower loss after which training stops.", Min = 0, Zero = "never")]
    public int Patience { get; init; }

    [Setting("Steps between checkpoints; the result does not depend on it.", Min = 0, Unit = "steps", Zero = "none")]
    public int CheckpointInterval { get; init; } = 200;

    [Setting(
        "Draws of each latent that the likelihood is estimated by at the end (Burda et al. 2016, eq. 8).", Min = 0,
        Max = 10_000, Unit = "draws", Zero = "not estimated")]
    public int ImportanceDraws { get; init; } = 50;

    [Setting("Everything random follows from it.")]
    public ulong Seed { get; init; }

    /// <exception cref="SettingException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        SettingSet.Check(this);
        Adam.Validate();
    }

    /// <summary>Those of a run.</summary>
    /// <param name="steps">How many it has.</param>
    internal ILearningRateSchedule Rate(long steps) => RestartRate
        ? new RestartingSchedule(LearningRate, steps, Kl.Annealing == KlAnnealing.Cyclical ? Kl.Cycles : 1)
        : new LearningRateSchedule(LearningRate, Decay.None, WarmUpSteps: 0, steps);
}
