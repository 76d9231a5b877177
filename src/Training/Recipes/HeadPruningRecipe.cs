using System.Globalization;
using Serving.Models.Bert;
using Serving.Training.Classification;
using Serving.Training.Pruning;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Prunes heads of a backbone by some strategy, then fine-tunes what is left (Budhraja et al. 2020).</summary>
/// <remarks>
/// What comes out is that of the first strategy and seed: a model, and a task version for it that leaves the heads out.
/// Of every training the last state counts.
/// </remarks>
[Recipe(
    "head_pruning", "train prune-heads",
    "Prunes attention heads by strategies, then fine-tunes: a model where they are zero, and how strategies compare.",
    Setting = "base.method", Value = TrainingMethod.Finetune)]
public sealed record HeadPruningRecipe : Recipe
{
    private const int MostTrainings = 1000;

    /// <summary>The recipe of each training.</summary>
    [SettingGroup("base", Without = new[] { "seed", "evaluation_interval", "patience" })]
    public required ClassifierRecipe Base { get; init; }

    [Setting("Which heads are pruned; several are compared with the first.")]
    public IReadOnlyList<HeadStrategy> Strategies { get; init; } = [HeadStrategy.Random];

    [Setting("The part of all heads that is pruned, one head at least.", Above = 0, Max = 1)]
    public double Share { get; init; } = 0.25;

    [Setting("Strategies are equivalent if their metrics surely differ by less.", Above = 0, Below = 1)]
    public double Margin { get; init; } = 0.02;

    [Setting("Each strategy is trained with each; the model of the first comes out.")]
    public IReadOnlyList<ulong> Seeds { get; init; } = [0];

    public override IReadOnlyList<string> Models => Base.Models;

    public override IReadOnlyList<string> DatasetNames => Base.DatasetNames;

    public override RecipeOutputs Outputs => RecipeOutputs.TaskVersion | RecipeOutputs.Model | RecipeOutputs.Report;

    public override RecipeMetric Metric => Base.Metric;

    public override HeadPruningRecipe For(IRecipeInputs inputs) => this with { Base = Base.For(inputs) };

    public override void Validate(IRecipeInputs inputs)
    {
        if (Base.Settings.Method != TrainingMethod.Finetune)
            throw new SettingException(nameof(Base), "Heads are pruned before fine-tuning; choose finetune.");
        SettingSet.Check(this);
        SettingException.ThrowUnless(
            Strategies.Count >= 1 && Strategies.Distinct().Count() == Strategies.Count, nameof(Strategies),
            $"a list of {Strategies.Count}, {Strategies.Distinct().Count()} of them different",
            "one strategy or more, each once");
        SettingException.ThrowUnless(
            Seeds.Count >= 1 && Seeds.Distinct().Count() == Seeds.Count, nameof(Seeds),
            $"a list of {Seeds.Count}, {Seeds.Distinct().Count()} of them different", "one seed or more, each once");
        var trainings = Seeds.Count * (Strategies.Count + 1);
        SettingException.ThrowUnless(
            trainings <= MostTrainings, nameof(Seeds), $"{trainings} trainings with the strategies",
            $"at most {MostTrainings}");
        SettingException.Within("base", () => Base.Validate(inputs));
        var config = new BertFolder(inputs.ModelFolder(Base.Model)).LoadConfig();
        var heads = config.Layers * config.Heads;
        SettingException.ThrowUnless(
            Count(config) > 0, nameof(Share),
            string.Create(CultureInfo.InvariantCulture, $"{Share}, 0 of {heads} heads"),
            string.Create(CultureInfo.InvariantCulture, $"above {Math.Ceiling(5000.0 / heads) / 10_000}"));
    }

    /// <summary>How many heads are pruned: halves go to even.</summary>
    internal int Count(BertConfig config) =>
        (int)Math.Round((decimal)Share * config.Layers * config.Heads, MidpointRounding.ToEven);

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        return new HeadPruningRun(this, context).Run();
    }
}
