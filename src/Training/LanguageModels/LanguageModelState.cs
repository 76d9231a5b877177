using Serving.Training.Loop;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;

namespace Serving.Training.LanguageModels;

/// <summary>What a language model's checkpoint holds besides tensors.</summary>
public sealed record LanguageModelState
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>Of the last evaluation, see <see cref="LanguageModelEvaluator"/>; null before the first.</summary>
    public Metrics? Last { get; init; }

    /// <summary>Of the evaluation with the lowest loss; null before the first and where none is compared.</summary>
    public Metrics? Best { get; init; }

    /// <summary>The step of the best evaluation; 0 if there was none.</summary>
    public long BestStep { get; init; }

    /// <summary>Evaluations since the best.</summary>
    public int SinceBest { get; init; }

    internal static LanguageModelState Of(RunState<Metrics> run) => new()
    {
        Step = run.Step,
        Last = run.Last,
        Best = run.Best,
        BestStep = run.BestStep,
        SinceBest = run.SinceBest
    };

    internal RunState<Metrics> ToRun() => new()
    {
        Step = Step,
        Last = Last,
        Best = Best,
        BestScore = Best is null ? 0 : LanguageModelEvaluator.Score(Best),
        BestStep = BestStep,
        SinceBest = SinceBest
    };
}
