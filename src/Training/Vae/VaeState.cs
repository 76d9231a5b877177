using Serving.Training.Loop;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;

namespace Serving.Training.Vae;

/// <summary>What an autoencoder's checkpoint holds besides tensors.</summary>
public sealed record VaeState
{
    /// <summary>Steps done, those of the encoder's own loop aside.</summary>
    public required long Step { get; init; }

    /// <summary>Of the last evaluation, see <see cref="VaeEvaluator"/>; null before the first.</summary>
    public Metrics? Last { get; init; }

    /// <summary>Of the evaluation with the lowest loss; null before the first.</summary>
    public Metrics? Best { get; init; }

    /// <summary>The step of the best evaluation; 0 if there was none.</summary>
    public long BestStep { get; init; }

    /// <summary>Evaluations since the best.</summary>
    public int SinceBest { get; init; }

    /// <summary>Steps of the encoder's optimizer.</summary>
    public long EncoderSteps { get; init; }

    /// <summary>Whether the encoder has a loop of its own.</summary>
    public bool IsAggressive { get; init; }

    /// <summary>Of the last evaluation while it had; null before the first.</summary>
    public double? MutualInformation { get; init; }

    internal RunState<Metrics> ToRun() => new()
    {
        Step = Step,
        Last = Last,
        Best = Best,
        BestScore = Best is null ? 0 : VaeEvaluator.Score(Best),
        BestStep = BestStep,
        SinceBest = SinceBest
    };
}
