using System.Globalization;
using Serving.Models.Bert;
using Serving.Training.Analysis;
using Serving.Training.Pruning;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>What a pruning found: metrics by sparsity and by control, and how far the seeds' masks agree.</summary>
internal sealed class PruningReport
{
    private readonly PruningRecipe _recipe;
    private readonly List<PruningResult> _results;
    private readonly IReadOnlyList<WeightMasks> _tickets;
    private readonly List<Summary> _rounds;
    private readonly List<Summary> _controls;

    /// <param name="results">Of all trainings, in their order.</param>
    /// <param name="tickets">The masks of each seed, in the order of the recipe's.</param>
    public PruningReport(
        PruningRecipe recipe, IReadOnlyList<PruningResult> results, IReadOnlyList<WeightMasks> tickets)
    {
        _recipe = recipe;
        _results = [.. results.Where(result => result.Round != PruningStage.Start)];
        _tickets = tickets;
        var full = Summarize("", _results.Where(result => result is { Round: 0, Control: null }));
        _rounds =
        [
            .. _results.Where(result => result.Control is null).GroupBy(result => result.Round)
                .Select(round => Summarize($"round {round.Key}", round))
                .Select(round => round with { IsMatching = round.Mean >= full.Mean - full.Deviation })
        ];
        _controls =
        [
            .. _results.Where(result => result.Control is not null).GroupBy(result => result.Control)
                .Select(control => Summarize(SettingNames.Of($"{control.Key}"), control))
        ];
        Published = _results.Last(result => result.Control is null && result.Seed == recipe.Seeds[0]);
    }

    /// <summary>The ticket that comes out: that of the first seed.</summary>
    public PruningResult Published { get; }

    /// <summary>Beside the ticket's own: means over the seeds.</summary>
    public IReadOnlyDictionary<string, double> Metrics
    {
        get
        {
            var metrics = new Dictionary<string, double>(StringComparer.Ordinal)
            {
                ["sparsity"] = Published.Sparsity,
                ["mean_full"] = _rounds[0].Mean,
                ["mean_ticket"] = _rounds[^1].Mean
            };
            foreach (var control in _controls)
                metrics[$"mean_{control.Name}"] = control.Mean;
            if (_tickets.Count > 1)
            {
                metrics["kappa"] = MaskAgreement.Kappa(_tickets);
                metrics["dissimilarity"] = Pairs().Average(pair => pair.Dissimilarity);
            }

            return metrics;
        }
    }

    /// <summary>"round 3" or "random_mask", for people.</summary>
    public static string NameOf(PruningResult result) => result switch
    {
        { Control: { } control } => SettingNames.Of($"{control}"),
        { Round: PruningStage.Start } => "start",
        _ => $"round {result.Round}"
    };

    /// <summary>Writes pruning.json, plots, and the masks of all seeds.</summary>
    public void Write(RecipeContext context)
    {
        context.WriteReport("pruning.json", Recipe.Serialize(new
        {
            _recipe.Base.Dataset,
            _recipe.Method,
            Metric = _recipe.Metric.Name,
            Prunable = _tickets[0].Total,
            Rounds = _rounds,
            Controls = _controls.ConvertAll(control => new
            {
                control.Name,
                control.Mean,
                control.Deviation,
                control.Each,
                TicketIsBetterBy = _rounds[^1].Each.Zip(control.Each, (ticket, other) => ticket - other)
            }),
            Seeds = _recipe.Seeds.Zip(_tickets, (seed, ticket) => new { Seed = seed, ticket.Kept, ticket.Sparsity }),
            Overlap = Pairs(),
            Kept = _tickets[0].Tensors.Select(tensor => new
            {
                tensor.Name,
                Kept = _tickets.Select(ticket => ticket.KeptOf(tensor))
            }),
            Trainings = _results.ConvertAll(result => new
            {
                result.Seed,
                Name = NameOf(result),
                result.TrainingSeed,
                result.Kept,
                result.Sparsity,
                result.Metrics
            })
        }));
        context.WriteReport("sparsity.svg", Chart());
        context.WriteReport("kept.svg", Heatmap());
        foreach (var (seed, ticket) in _recipe.Seeds.Zip(_tickets))
            ticket.Write(Path.Combine(context.Folder, "artifacts", "masks", $"seed-{seed}.safetensors"));
    }

    private string Chart() => SvgPlot.Chart(
        $"Tickets of {_recipe.Base.Model} on {_recipe.Base.Dataset}, "
        + string.Create(CultureInfo.InvariantCulture, $"{_recipe.Seeds.Count} seeds"),
        "sparsity",
        _recipe.Metric.Word,
        [
            new(SettingNames.Of($"{_recipe.Method}"), [.. _rounds.Select(round => (round.Sparsity, round.Mean))]),
            new("all weights", [.. _rounds.Select(round => (round.Sparsity, _rounds[0].Mean))]),
            new(
                "each seed",
                [.. _results.Where(result => result.Control is null)
                    .Select(result => (result.Sparsity, result.Metric))],
                IsLine: false),
            .. _controls.Select(control => new PlotSeries(
                control.Name.Replace('_', ' '), [.. control.Each.Select(metric => (control.Sparsity, metric))],
                IsLine: false))
        ]);

    /// <summary>What is kept of each matrix, as a mean over the seeds.</summary>
    private string Heatmap()
    {
        var matrices = Enum.GetValues<BertMatrix>();
        var layers = _tickets[0].Tensors.Count / matrices.Length; // A pooler is one more.
        double Kept(string name)
        {
            var tensor = _tickets[0].Tensors.Single(each => each.Name == name);
            return _tickets.Average(ticket => ticket.KeptOf(tensor));
        }

        return SvgPlot.Heatmap(
            $"Weights that are kept, {_recipe.Base.Dataset}",
            [.. Enumerable.Range(0, layers).Select(layer => $"layer {layer}")],
            [.. matrices.Select(matrix => SettingNames.Of($"{matrix}").Replace('_', ' '))],
            [.. Enumerable.Range(0, layers).Select(layer => (IReadOnlyList<double>)
                [.. matrices.Select(matrix => Kept(BertTensors.Weight(layer, matrix)))])],
            "F3");
    }

    private List<Overlap> Pairs() =>
    [
        .. Enumerable.Range(0, _tickets.Count).SelectMany(a => Enumerable.Range(a + 1, _tickets.Count - a - 1)
            .Select(b => new Overlap(
                _recipe.Seeds[a], _recipe.Seeds[b], MaskAgreement.Dissimilarity(_tickets[a], _tickets[b]))))
    ];

    private static Summary Summarize(string name, IEnumerable<PruningResult> results)
    {
        double[] each = [.. results.Select(result => result.Metric)];
        var mean = each.Average();
        var deviation = each.Length < 2
            ? 0
            : Math.Sqrt(each.Sum(metric => (metric - mean) * (metric - mean)) / (each.Length - 1));
        return new(name, results.Average(result => result.Sparsity), mean, deviation, each, IsMatching: false);
    }

    /// <param name="Deviation">Of a sample; 0 for one seed.</param>
    /// <param name="Each">By seed.</param>
    /// <param name="IsMatching">
    /// Whether the mean is within one standard deviation of that of all weights (Chen et al. 2020, sec. 3).
    /// </param>
    private sealed record Summary(
        string Name, double Sparsity, double Mean, double Deviation, IReadOnlyList<double> Each, bool IsMatching);

    private sealed record Overlap(ulong A, ulong B, double Dissimilarity);
}
