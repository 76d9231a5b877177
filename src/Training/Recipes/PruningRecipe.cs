using System.Text.Json.Serialization;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Training.Classification;
using Serving.Training.Pruning;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Finds a lottery ticket of a backbone for a task, and trains it (Chen et al. 2020).</summary>
/// <remarks>
/// What comes out is a model with the ticket's weights, trained, and zeros for the others, and a task version for it
/// that holds the masks. Each round's metric is that of its ticket: what training from the start makes of it. Of every
/// training the last state counts; none is chosen by the rows to judge by.
/// </remarks>
[Recipe(
    "pruning", "train prune",
    "Finds a lottery ticket: a model with few of its weights, a task version with their masks.",
    Setting = "base.method", Value = TrainingMethod.Finetune)]
public sealed record PruningRecipe : Recipe, IComparableRecipe
{
    private const int MostTrainings = 1000;

    /// <summary>The recipe of each training.</summary>
    [SettingGroup("base", Without = new[] { "seed", "evaluation_interval", "patience" })]
    public required ClassifierRecipe Base { get; init; }

    [Setting("How the weights that remain are found.")]
    public PruningMethod Method { get; init; }

    [Setting(
        "The part of the prunable weights that is pruned in the end; a transfer has its source's.", Above = 0,
        Below = 1)]
    public double Sparsity { get; init; } = 0.7;

    [Setting(
        "Trainings that are followed by pruning, for iterative and standard.", Min = 1, Max = 100, Unit = "rounds")]
    public int Rounds { get; init; } = 7;

    [Setting("Whether each round prunes the same part of all weights, or of those that remain.")]
    public PruningCurve Curve { get; init; }

    [Setting(
        "The part that a round prunes.", Above = 0, Below = 1,
        Otherwise = "what leads to the sparsity in these rounds")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Rate { get; init; }

    /// <summary>0 for the backbone's own weights.</summary>
    [Setting(
        "The part of a training after which weights are kept, to be put back to; 0 for the backbone's own.",
        Min = 0, Below = 1)]
    public double Rewind { get; init; }

    [Setting("Keeps the head from round to round, instead of beginning with a random one in each.")]
    public bool KeepHead { get; init; }

    [Setting("What the ticket is compared with, trained in the same way.", Otherwise = "nothing")]
    public IReadOnlyList<PruningControl> Controls { get; init; } = [];

    [Setting("The ticket of another task, or its masks, for a transfer.", Kind = SettingKind.Task, Otherwise = "none")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public VersionInput? Source { get; init; }

    [Setting("All of it is done with each; the ticket of the first comes out.")]
    public IReadOnlyList<ulong> Seeds { get; init; } = [0];

    public override IReadOnlyList<string> Models => Base.Models;

    public override IReadOnlyList<string> DatasetNames => Base.DatasetNames;

    public override IReadOnlyList<VersionInput> TaskVersions =>
        Source is null ? Base.TaskVersions : [.. Base.TaskVersions, Source];

    public override RecipeOutputs Outputs => RecipeOutputs.TaskVersion | RecipeOutputs.Model | RecipeOutputs.Report;

    public override RecipeMetric Metric => Base.Metric;

    [JsonIgnore]
    public VersionInput? Incumbent => Base.Incumbent;

    /// <summary>Counts of the rounds; of methods that prune at once there is one.</summary>
    internal PruningSchedule Schedule => Method is PruningMethod.Iterative or PruningMethod.Standard
        ? new(Curve, Sparsity, Rounds, Rate)
        : new(PruningCurve.Linear, Sparsity, Rounds: 1);

    public Recipe With(VersionInput incumbent) => this with { Base = Base with { Incumbent = incumbent } };

    public override PruningRecipe For(IRecipeInputs inputs) => this with { Base = Base.For(inputs) };

    public override void Validate(IRecipeInputs inputs)
    {
        if (Base.Settings.Method != TrainingMethod.Finetune)
            throw new SettingException(nameof(Base), "A ticket is trained by all of its weights; choose finetune.");
        SettingSet.Check(this);
        SettingException.ThrowUnless(
            Seeds.Count >= 1 && Seeds.Distinct().Count() == Seeds.Count, nameof(Seeds),
            $"a list of {Seeds.Count}, {Seeds.Distinct().Count()} of them different", "one seed or more, each once");
        SettingException.ThrowUnless(
            Controls.Distinct().Count() == Controls.Count, nameof(Controls), "a list with a control twice",
            "each control once");
        Schedule.Validate();
        var trainings = new PruningPlan(this).Stages.Count;
        SettingException.ThrowUnless(
            trainings <= MostTrainings, nameof(Rounds), $"{trainings} trainings with controls and seeds",
            $"at most {MostTrainings}");
        SettingException.Within("base", () => Base.Validate(inputs));
        if (Controls.Contains(PruningControl.ShuffledLayers)
            && new BertFolder(inputs.ModelFolder(Base.Model)).LoadConfig().Layers < 2)
        {
            throw new SettingException(
                nameof(Controls),
                $"'{Base.Model}' has one layer, which has no other order; leave shuffled_layers out.");
        }

        ThrowUnlessSource(inputs);
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        return new PruningRun(this, context).Run();
    }

    /// <summary>The masks of the source, for a transfer.</summary>
    internal WeightMasks ReadSource(
        IRecipeInputs inputs, IReadOnlyList<(string Name, int Rows, int Columns)> tensors)
    {
        using var source = VersionFiles.Open(inputs.TaskFolder(Source!), Source!.Version);
        return WeightMasks.Of(tensors, tensor => source.ReadMask(tensor.Name).ToArray());
    }

    private void ThrowUnlessSource(IRecipeInputs inputs)
    {
        if (Source is null != (Method != PruningMethod.Transfer))
        {
            throw new SettingException(nameof(Source), Source is null
                ? "A transfer needs the ticket of a task; name one, or choose another method."
                : "It says nothing without the method transfer; choose that, or leave this out.");
        }

        if (Source is null)
            return;
        using var source = VersionFiles.Open(inputs.TaskFolder(Source), Source.Version);
        var folder = new BertFolder(inputs.ModelFolder(Base.Model));
        if (!string.Equals(
            source.Manifest.MaskedWeights, folder.ReadDigest().Weights, StringComparison.OrdinalIgnoreCase))
        {
            throw new SettingException(
                nameof(Source),
                $"The masks of '{Source.Task}' are over another backbone than '{Base.Model}': its weights have the "
                + $"digest {source.Manifest.MaskedWeights[..12]}. Choose a ticket of this backbone.");
        }

        var config = folder.LoadConfig();
        var needed = WeightMasks.Prunable(config, Base.Settings.PoolingOf(config)).Select(tensor => tensor.Name);
        var masked = source.Masks.Select(mask => mask.Name).Where(name => name != BertTensors.ClassifierWeight);
        var missing = needed.Except(masked, StringComparer.Ordinal).ToList();
        var more = masked.Except(needed, StringComparer.Ordinal).ToList();
        if (missing.Count + more.Count > 0)
        {
            throw new SettingException(
                nameof(Source),
                $"'{Source.Task}' masks other matrices than are pruned here: "
                + string.Join("; ", ((string[])[List("it lacks", missing), List("it also has", more)])
                    .Where(part => part.Length > 0))
                + ". Choose a task whose head sees the same, with masks of all layers.");
        }

        static string List(string what, List<string> names) =>
            names.Count == 0 ? "" : $"{what} {string.Join(", ", names.Take(3))}{(names.Count > 3 ? ", ..." : "")}";
    }
}
