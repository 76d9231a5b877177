using Serving.Training.Bert;
using Serving.Training.Optimization;

namespace Serving.Training.Pretraining;

/// <summary>How a backbone is pretrained.</summary>
public sealed record PretrainingSettings
{
    /// <summary>The most steps, with a budget of time as well.</summary>
    public const long MostSteps = 10_000_000;

    /// <summary>1 to <see cref="MostSteps"/>.</summary>
    public required long Steps { get; init; }

    /// <summary>
    /// How long training may take, all of its processes together; the learning rate then depends on time instead of
    /// steps (Izsak et al. 2021), and results depend on the machine. Null for no limit.
    /// </summary>
    public TimeSpan? Budget { get; init; }

    /// <summary>After this time, a loss above <see cref="GiveUpLoss"/> ends training; null for never.</summary>
    public TimeSpan? GiveUpAfter { get; init; }

    /// <summary>In nats a hidden token; above 0.</summary>
    public double GiveUpLoss { get; init; } = 6;

    /// <summary>Sequences of a step, 1 to 65536.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>At the end of the warm-up; above 0, at most 1.</summary>
    public float LearningRate { get; init; } = 1e-3f;

    public Decay Decay { get; init; } = Decay.Linear;

    /// <summary>The part of all steps in which the learning rate rises, 0 to 1.</summary>
    public double WarmUp { get; init; } = 0.06;

    public AdamSettings Adam { get; init; } = new() { WeightDecay = 0.01f, Beta2 = 0.98f, Epsilon = 1e-6f };

    /// <summary>Objectives beside masked language modelling, in the order in which stages add them.</summary>
    public IReadOnlyList<Objective> Objectives { get; init; } = [];

    /// <summary>How the objectives share the steps.</summary>
    public Combination Combination { get; init; }

    /// <summary>
    /// A control run: examples are made for the objectives, but only masked language modelling is learned. This tells
    /// what splitting and corrupting texts costs from what the objectives teach (Aroca-Ouellette and Rudzicz 2020, sec.
    /// 4).
    /// </summary>
    public bool IsControl { get; init; }

    /// <summary>Epochs after which hidden tokens repeat; 0 for never (Izsak et al. 2021 use 10 copies).</summary>
    public int MaskedCopies { get; init; }

    /// <summary>The share of sequences that are cut to a random length, 0 to 1.</summary>
    public double ShortSequences { get; init; }

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
        Range.Require(Steps is >= 1 and <= MostSteps, nameof(Steps), Steps, $"1 to {MostSteps}");
        Range.Require(Budget is null || Budget > TimeSpan.Zero, nameof(Budget), Budget ?? default, "longer than 0");
        Range.Require(
            GiveUpAfter is null || GiveUpAfter >= TimeSpan.Zero, nameof(GiveUpAfter), GiveUpAfter ?? default,
            "0 or longer");
        Range.Require(GiveUpLoss > 0, nameof(GiveUpLoss), GiveUpLoss, "above 0");
        Range.Require(BatchSize is >= 1 and <= 65_536, nameof(BatchSize), BatchSize, "1 to 65536");
        Range.Require(LearningRate is > 0 and <= 1, nameof(LearningRate), LearningRate, "above 0, at most 1");
        Range.Require(WarmUp is >= 0 and <= 1, nameof(WarmUp), WarmUp, "0 to 1");
        Range.Require(MaskedCopies >= 0, nameof(MaskedCopies), MaskedCopies, "0 or more");
        Range.Require(ShortSequences is >= 0 and <= 1, nameof(ShortSequences), ShortSequences, "0 to 1");
        Range.Require(
            InitialDeviation is > 0 and <= 1, nameof(InitialDeviation), InitialDeviation, "above 0, at most 1");
        Range.Require(Dropout is >= 0 and < 1, nameof(Dropout), Dropout, "0 to below 1");
        Range.Require(EvaluationInterval >= 0, nameof(EvaluationInterval), EvaluationInterval, "0 or more");
        Range.Require(CheckpointInterval >= 0, nameof(CheckpointInterval), CheckpointInterval, "0 or more");
        Adam.Validate();
        ValidateObjectives();
    }

    private void ValidateObjectives()
    {
        static string Names(IEnumerable<Objective> objectives) =>
            string.Join(", ", objectives.Select(objective => Pretraining.Objectives.Of(objective).Name));

        if (Objectives.Contains(Objective.MaskedLanguageModel))
            throw new SettingException(nameof(Objectives), "mlm is always learned; name the objectives beside it.");
        if (Objectives.GroupBy(objective => objective).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new SettingException(nameof(Objectives), $"{Names(twice.Take(1))} is there twice.");
        List<Objective> arrangements = [.. Objectives.Where(Pretraining.Objectives.Arrangements.Contains)];
        if (arrangements.Count > 1 && (Combination is Combination.Sum or Combination.Incremental))
        {
            throw new SettingException(
                nameof(Objectives),
                $"{Names(arrangements)} each arrange two segments in their own way, so one step can't have them all; "
                + "keep one, or choose a combination that takes turns.");
        }

        if (Budget is not null && Objectives.Count > 0
            && (Combination is Combination.Incremental or Combination.Continual or Combination.ContinualPlus))
        {
            throw new SettingException(
                nameof(Combination),
                $"{Combination} has stages, which are parts of a number of steps; "
                + "give steps instead of a budget of time.");
        }

        if (IsControl && (Combination is Combination.Alternating or Combination.Continual))
        {
            throw new SettingException(
                nameof(IsControl),
                "A control run learns masked language modelling at each step; "
                + $"{Combination} does not have it in each.");
        }
    }
}
