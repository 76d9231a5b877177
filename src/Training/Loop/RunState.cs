namespace Serving.Training.Loop;

/// <summary>An evaluation.</summary>
/// <param name="Metrics">What observers see, by name.</param>
/// <param name="Score">What chooses the best state, larger is better; null where nothing is compared.</param>
/// <param name="Loss">What chooses among equal scores, smaller is better; null where the first stays.</param>
internal sealed record Evaluation<TReport>(
    TReport Report, IReadOnlyDictionary<string, double> Metrics, double? Score = null, double? Loss = null)
{
    /// <summary>Why it is to be looked at; null if there is nothing to say.</summary>
    public string? Warning { get; init; }
}

/// <summary>Where a run stands.</summary>
internal sealed record RunState<TReport>
    where TReport : class
{
    /// <summary>Steps done.</summary>
    public long Step { get; init; }

    /// <summary>Time spent on them, in all processes together.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>The last evaluation; null before the first.</summary>
    public TReport? Last { get; init; }

    /// <summary>
    /// The evaluation with the largest score, of equal ones that with the smallest loss; null before the first and
    /// where none is compared.
    /// </summary>
    public TReport? Best { get; init; }

    public double BestScore { get; init; }

    public double? BestLoss { get; init; }

    /// <summary>The step of the best evaluation; 0 if there was none.</summary>
    public long BestStep { get; init; }

    /// <summary>Evaluations since the best.</summary>
    public int SinceBest { get; init; }

    /// <summary>The state after an evaluation.</summary>
    public RunState<TReport> After(Evaluation<TReport> evaluation, out bool isBest)
    {
        if (evaluation.Score is not { } score)
        {
            isBest = false;
            return this with { Last = evaluation.Report };
        }

        isBest = Best is null || score > BestScore || (score == BestScore && evaluation.Loss < BestLoss);
        return isBest
            ? this with
            {
                Last = evaluation.Report,
                Best = evaluation.Report,
                BestScore = score,
                BestLoss = evaluation.Loss,
                BestStep = Step,
                SinceBest = 0
            }
            : this with { Last = evaluation.Report, SinceBest = SinceBest + 1 };
    }
}
