using Serving.Training.Bert;
using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.Pretraining;

/// <summary>How a backbone is pretrained.</summary>
public sealed record PretrainingSettings
{
    /// <summary>The most steps, with a budget of time as well.</summary>
    public const long MostSteps = 10_000_000;

    private readonly long? _steps;

    /// <summary>With a budget the most there are by default; the budget decides then.</summary>
    [Setting(
        "How many steps there are; needed without a budget.", Min = 1, Max = MostSteps, Unit = "steps",
        Otherwise = "what the budget allows")]
    public long Steps
    {
        get => _steps ?? (Budget is null ? 0 : MostSteps);
        init => _steps = value;
    }

    /// <summary>
    /// All of its processes together; the learning rate then depends on time instead of steps (Izsak et al. 2021), and
    /// results depend on the machine.
    /// </summary>
    [Setting(
        "How long training may take; the learning rate then goes by time, and the result depends on the machine.",
        Above = 0, Unit = "seconds", Otherwise = "no limit")]
    public TimeSpan? Budget { get; init; }

    [Setting(
        "After this time an evaluation with a loss above give_up_loss fails the job.", Min = 0, Unit = "seconds",
        Otherwise = "never")]
    public TimeSpan? GiveUpAfter { get; init; }

    [Setting("The loss that is too high then.", Above = 0, Unit = "nats a hidden token")]
    public double GiveUpLoss { get; init; } = 6;

    [Setting("Sequences of a step.", Min = 1, Max = 65_536, Unit = "sequences")]
    public int BatchSize { get; init; } = 64;

    [Setting("The learning rate at the end of the warm-up.", Above = 0, Max = 1)]
    public float LearningRate { get; init; } = 1e-3f;

    public Decay Decay { get; init; } = Decay.Linear;

    [Setting("The part of all steps in which the learning rate rises, before it falls to 0.", Min = 0, Max = 1)]
    public double WarmUp { get; init; } = 0.06;

    [SettingGroup(Without = new[] { "weight_decay" })]
    public AdamSettings Adam { get; init; } = new() { WeightDecay = 0.01f, Beta2 = 0.98f, Epsilon = 1e-6f };

    /// <summary>In the order in which stages add them.</summary>
    [Setting("What is learned beside masked language modelling, in the order of stages.", Otherwise = "nothing")]
    public IReadOnlyList<Objective> Objectives { get; init; } = [];

    [Setting("How the objectives share the steps.")]
    public Combination Combination { get; init; }

    /// <summary>
    /// A control run: examples are made for the objectives, but only masked language modelling is learned. This tells
    /// what splitting and corrupting texts costs from what the objectives teach (Aroca-Ouellette and Rudzicz 2020, sec.
    /// 4).
    /// </summary>
    [Setting(
        "A control run: texts are arranged for the objectives, but only masked language modelling is learned.",
        Name = "control")]
    public bool IsControl { get; init; }

    /// <remarks>Izsak et al. 2021 use 10 copies.</remarks>
    [Setting("Epochs after which the same tokens are hidden again.", Min = 0, Unit = "epochs", Zero = "never")]
    public int MaskedCopies { get; init; }

    [Setting("The share of sequences that are cut to a random length.", Min = 0, Max = 1)]
    public double ShortSequences { get; init; }

    [Setting("How the first weights are drawn.")]
    public Initialization Initialization { get; init; } = Initialization.Neighbors;

    [Setting("The standard deviation of the first weights.", Above = 0, Max = 1)]
    public double InitialDeviation { get; init; } = InitialParameters.Deviation;

    [Setting("Dropout of hidden states and attention weights.", Min = 0, Below = 1)]
    public float Dropout { get; init; } = 0.1f;

    /// <summary>On held-out sequences.</summary>
    [Setting("Steps between evaluations.", Min = 0, Unit = "steps", Zero = "one at the end")]
    public int EvaluationInterval { get; init; }

    [Setting("Steps between checkpoints; the result does not depend on it.", Min = 0, Unit = "steps", Zero = "none")]
    public int CheckpointInterval { get; init; } = 200;

    [Setting("Everything random follows from it.")]
    public ulong Seed { get; init; }

    /// <exception cref="SettingException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        SettingSet.Check(this);
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
                "control",
                "A control run learns masked language modelling at each step; "
                + $"{Combination} does not have it in each.");
        }
    }
}
