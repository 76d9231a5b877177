using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Storage;
using Serving.Training.Analysis;
using Serving.Training.Classification;
using Serving.Training.Loop;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Which layers a number of masked layers means.</summary>
public enum BlockOrder
{
    /// <summary>The lowest.</summary>
    BottomUp,

    /// <summary>The highest.</summary>
    TopDown
}

/// <summary>
/// Trains masks over ranges of initial sparsity (Zhao et al. 2020, fig. 1) or masked blocks (fig. 2).
/// </summary>
[Recipe(
    "sweep", "analyze sweep", "Trains masks over a range of initial sparsities, or of masked blocks.",
    Setting = "base.method", Value = TrainingMethod.Mask)]
public sealed record SweepRecipe : Recipe
{
    private const int MostRuns = 1000;

    /// <summary>The recipe of each run, except for what the sweep changes, seeds among it.</summary>
    [SettingGroup("base", Without = new[] { "seed" })]
    public required ClassifierRecipe Base { get; init; }

    [Setting("The initial sparsities to try.", Min = 0, Below = 1, Otherwise = "none")]
    public IReadOnlyList<double> InitialSparsities { get; init; } = [];

    /// <summary>0 to all, in both orders. The pooler is as in the base.</summary>
    [Setting("The numbers of masked layers to try, bottom up and top down.", Min = 0, Otherwise = "none")]
    public IReadOnlyList<int> MaskedBlocks { get; init; } = [];

    [Setting("Each point is trained with each.")]
    public IReadOnlyList<ulong> Seeds { get; init; } = [0];

    public override IReadOnlyList<string> Models => Base.Models;

    public override IReadOnlyList<string> DatasetNames => Base.DatasetNames;

    public override void Validate(IRecipeInputs inputs)
    {
        if (Base.Settings.Method != TrainingMethod.Mask)
            throw new SettingException(nameof(Base), "A sweep is over masks; choose the method mask.");
        SettingException.ThrowUnless(Seeds.Count >= 1, nameof(Seeds), "an empty list", "at least one seed");
        var runs = (InitialSparsities.Count + (2 * MaskedBlocks.Count)) * Seeds.Count;
        SettingException.ThrowUnless(
            runs is >= 1 and <= MostRuns, nameof(InitialSparsities), $"a sweep of {runs} trainings",
            $"1 to {MostRuns} with masked_blocks and seeds");
        SettingSet.Check(this);
        var layers = new BertFolder(inputs.ModelFolder(Base.Model)).LoadConfig().Layers;
        foreach (var blocks in MaskedBlocks)
        {
            SettingException.ThrowUnless(
                blocks <= layers, nameof(MaskedBlocks), blocks, $"0 to {layers}, the model's layers");
        }

        SettingException.Within("base", () => Base.Validate(inputs));
    }

    public override SweepRecipe For(IRecipeInputs inputs) => this with { Base = Base.For(inputs) };

    public override RecipeResult Run(RecipeContext context)
    {
        Validate(context.Inputs);
        var folder = new BertFolder(context.Inputs.ModelFolder(Base.Model));
        var config = folder.LoadConfig();
        var (train, validation) = Base.Rows(context.Inputs);
        var data = Base.Data(folder.LoadTokenizer(), train, validation) with
        {
            Describe = new RowOrigins(context.Inputs, Base.Dataset, train).Describe
        };
        using var weights = folder.OpenWeights();
        var runs = Runs(config.Layers).ToList();
        var stages = new StageLog<SweepRun>(context.Checkpoints, runs.Count);
        while (!stages.IsOver)
        {
            var (series, x, settings) = runs[stages.Current];
            using var trainer = new ClassifierTrainer(
                context.Backend, config, new CheckpointParameters(weights), data, settings);
            var stepsBefore = stages.Current * trainer.TotalSteps;
            var state = trainer.Run(
                stages.Observe(context.Observer), new(stages.Checkpoints), context.CancellationToken);
            var run = new SweepRun(series, x, settings.Seed, state.Best!.Metric, Kept(trainer));
            stages.Finish(run);
            var metrics = new Dictionary<string, double> { [Name(run)] = run.Metric };
            context.Observer.Evaluated(stepsBefore + state.Step, metrics, isBest: false);
        }

        return Report(context, stages.Finished);
    }

    private IEnumerable<(string Series, double X, ClassifierSettings Settings)> Runs(int layers)
    {
        foreach (var seed in Seeds)
        {
            var settings = Base.Settings with
            {
                Seed = seed
            };
            foreach (var sparsity in InitialSparsities)
            {
                yield return ("initial sparsity", sparsity, settings with
                {
                    Mask = settings.Mask with { InitialSparsity = sparsity }
                });
            }

            foreach (var blocks in MaskedBlocks)
            {
                foreach (var order in Enum.GetValues<BlockOrder>())
                {
                    var chosen = Enumerable.Range(order == BlockOrder.BottomUp ? 0 : layers - blocks, blocks).ToList();
                    var series = order == BlockOrder.BottomUp ? "blocks, bottom up" : "blocks, top down";
                    yield return (series, blocks, settings with
                    {
                        Mask = settings.Mask with { Layers = chosen }
                    });
                }
            }
        }
    }

    private RecipeResult Report(RecipeContext context, IReadOnlyList<SweepRun> results)
    {
        var points = results.GroupBy(run => (run.Series, run.X)).Select(point => new
        {
            point.Key.Series,
            point.Key.X,
            Mean = point.Average(run => run.Metric),
            Least = point.Min(run => run.Metric),
            Most = point.Max(run => run.Metric),
            Kept = point.Average(run => run.Kept)
        }).ToList();
        context.WriteReport("sweep.json", Serialize(new { Base.Dataset, Points = points, Runs = results }));
        foreach (var (name, isSparsity) in ((string, bool)[])[("sparsity.svg", true), ("blocks.svg", false)])
        {
            var series = points.Where(point => point.Series == "initial sparsity" == isSparsity)
                .GroupBy(point => point.Series, StringComparer.Ordinal).ToList();
            if (series.Count == 0)
                continue;
            context.WriteReport(name, SvgPlot.Chart(
                $"Masks on {Base.Dataset}, {Seeds.Count} seeds",
                isSparsity ? "initial sparsity" : "masked blocks",
                Base.IsRegression ? "correlation" : "accuracy",
                [
                    .. series.Select(line => new PlotSeries(
                        line.Key, [.. line.OrderBy(point => point.X).Select(point => (point.X, point.Mean))])),
                    .. series.Select(line => new PlotSeries(
                        $"{line.Key}, each",
                        [.. results.Where(run => run.Series == line.Key).Select(run => (run.X, run.Metric))],
                        IsLine: false))
                ]));
        }

        return new(points.ToDictionary(
            point => FormattableString.Invariant($"{point.Series} {point.X}"), point => point.Mean,
            StringComparer.Ordinal));
    }

    private static string Name(SweepRun run) => FormattableString.Invariant($"{run.Series} {run.X}");

    private static double Kept(ClassifierTrainer trainer)
    {
        var masks = trainer.Masks().Values.ToList();
        return masks.Count == 0
            ? 1
            : masks.Sum(mask => (double)BitMask.PopCount(mask)) / masks.Sum(mask => 8.0 * mask.Length);
    }

    private sealed record SweepRun(string Series, double X, ulong Seed, double Metric, double Kept);
}
