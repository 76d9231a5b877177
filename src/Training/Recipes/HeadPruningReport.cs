using Serving.Models.Bert;
using Serving.Training.Analysis;
using Serving.Training.Pruning;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>How strategies of pruning heads compare.</summary>
internal sealed class HeadPruningReport
{
    private readonly HeadPruningRecipe _recipe;
    private readonly BertConfig _config;
    private readonly IReadOnlyList<HeadPruningResult> _results;
    private readonly List<Summary> _strategies;

    public HeadPruningReport(
        HeadPruningRecipe recipe, BertConfig config, IReadOnlyList<HeadPruningResult> results)
    {
        _recipe = recipe;
        _config = config;
        _results = results;
        var first = Each(recipe.Strategies[0]);
        _strategies =
        [
            .. recipe.Strategies.Select(strategy => (HeadStrategy?)strategy).Prepend(null).Select(strategy =>
            {
                var each = Each(strategy);
                var difference = strategy is null || strategy == recipe.Strategies[0]
                    ? null
                    : PairedDifference.Of(each, first);
                return new Summary(
                    NameOf(strategy), each.Average(), each, difference, difference?.IsWithin(recipe.Margin));
            })
        ];
    }

    public IReadOnlyDictionary<string, double> Metrics
    {
        get
        {
            var metrics = new Dictionary<string, double>(StringComparer.Ordinal)
            {
                ["pruned_heads"] = _recipe.Count(_config)
            };
            foreach (var strategy in _strategies)
                metrics[$"mean_{strategy.Name}"] = strategy.Mean;
            return metrics;
        }
    }

    /// <summary>"important_first"; "full" for all heads.</summary>
    public static string NameOf(HeadStrategy? strategy) =>
        strategy is { } each ? SettingNames.Of($"{each}") : "full";

    /// <summary>Writes head-pruning.json and a plot.</summary>
    public void Write(RecipeContext context)
    {
        context.WriteReport("head-pruning.json", Recipe.Serialize(new
        {
            _recipe.Base.Dataset,
            Metric = _recipe.Metric.Name,
            PrunedHeads = _recipe.Count(_config),
            Heads = _config.Layers * _config.Heads,
            _recipe.Margin,
            _recipe.Seeds,
            Strategies = _strategies,
            Trainings = _results.Select(result => new
            {
                result.Seed,
                Name = NameOf(result.Strategy),
                result.Pruned,
                result.Importance,
                result.Metrics
            })
        }));
        context.WriteReport("head-pruning.svg", SvgPlot.Heatmap(
            $"Pruning {_recipe.Count(_config)} heads of {_recipe.Base.Model}: {_recipe.Metric.Word} "
            + $"on {_recipe.Base.Dataset}",
            [.. _strategies.Select(strategy => strategy.Name.Replace('_', ' '))],
            [.. _recipe.Seeds.Select(seed => $"seed {seed}"), "mean"],
            [.. _strategies.Select(strategy => (IReadOnlyList<double>)[.. strategy.Each, strategy.Mean])],
            "F4"));
    }

    private List<double> Each(HeadStrategy? strategy) =>
        [.. _results.Where(result => result.Strategy == strategy).Select(result => result.Metric)];

    /// <param name="Each">By seed.</param>
    /// <param name="Difference">From the first strategy; null for itself, all heads, and one seed.</param>
    /// <param name="IsEquivalent">Whether that is surely within the margin: two one-sided tests at 5%.</param>
    private sealed record Summary(
        string Name, double Mean, IReadOnlyList<double> Each, PairedDifference? Difference, bool? IsEquivalent);
}
