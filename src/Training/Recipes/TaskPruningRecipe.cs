using System.Text.Json.Serialization;
using Serving.Models.Versions;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>What is pruned of a task.</summary>
public enum PruningUnit
{
    /// <summary>Heads and feed-forward layers, the least important first (Prasanna et al. 2020: s-pruning).</summary>
    Parts,

    /// <summary>Single weights, the smallest first (the same: m-pruning).</summary>
    Weights
}

/// <summary>What a task's metric may be.</summary>
public enum TaskMetric
{
    Accuracy,

    MacroF1,

    Matthews,

    Pearson
}

/// <summary>Prunes a trained task, without training, while most of its metric stays (Prasanna et al. 2020).</summary>
/// <remarks>
/// What comes out is a version of the task for the same model: with masks over more weights, or with parts that are
/// left out and not computed. What is chosen is chosen by the dataset's own rows, so metrics on these are optimistic.
/// </remarks>
[Recipe(
    "task_pruning", "train prune-task",
    "Prunes a trained task, without training, while most of its metric stays: a task version for the same model.")]
public sealed record TaskPruningRecipe : Recipe
{
    [Setting("What is pruned.", Kind = SettingKind.Task)]
    public required VersionInput Source { get; init; }

    [Setting("What importances and metrics are measured on; it has labels.", Kind = SettingKind.Dataset)]
    public required string Dataset { get; init; }

    [Setting("Whether single weights are pruned, or whole heads and feed-forward layers.")]
    public PruningUnit Unit { get; init; }

    [Setting("What must stay.", Otherwise = "accuracy; pearson for numbers")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TaskMetric? Measure { get; init; }

    [Setting("The part of the metric that must stay.", Above = 0, Max = 1)]
    public double Keep { get; init; } = 0.9;

    [Setting("The part of the weights that remain, or of all heads, that a turn prunes.", Above = 0, Below = 1)]
    public double Step { get; init; } = 0.1;

    [Setting("The most turns of pruning weights.", Min = 1, Max = 100, Unit = "turns")]
    public int Turns { get; init; } = 9;

    [Setting(
        "Tokens of a text, special ones included; longer texts are cut off.", Min = 3, Unit = "tokens",
        Zero = "as many as the model reads")]
    public int MaxTokens { get; init; }

    [Setting("A random subnetwork and a bad one of the same size are compared with for each.")]
    public IReadOnlyList<ulong> Seeds { get; init; } = [0, 1, 2];

    public override IReadOnlyList<string> Models => [Source.Model];

    public override IReadOnlyList<string> DatasetNames => [Dataset];

    public override IReadOnlyList<VersionInput> TaskVersions => [Source];

    public override RecipeOutputs Outputs => RecipeOutputs.TaskVersion | RecipeOutputs.Report;

    public override RecipeMetric Metric => new("metric", "metric");

    public override void Validate(IRecipeInputs inputs)
    {
        SettingSet.Check(this);
        TrainedClassifier.ThrowUnlessReads(inputs, Source, Dataset, nameof(Dataset));
        if (MaxTokens > 0)
            LabelledDataset.ThrowUnlessRoom(LabelledDataset.Manifest(inputs, Dataset), MaxTokens, nameof(MaxTokens));
        var isRegression = VersionFiles.ReadManifest(inputs.TaskFolder(Source), Source.Version).Labels.Count == 1;
        if (Measure is { } measure && isRegression != (measure == TaskMetric.Pearson))
        {
            throw new SettingException(nameof(Measure), isRegression
                ? "The task predicts numbers, which have a pearson correlation alone; leave this out."
                : "The task has labels, and pearson is for numbers; choose accuracy, macro_f1 or matthews.");
        }
    }

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        using var run = new TaskPruningRun(this, context);
        return run.Run();
    }
}
