using System.Globalization;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Analysis;
using Serving.Training.Pruning;
using Serving.Training.Settings;
using Purpose = Serving.Training.RandomPurposes.Pruning;

namespace Serving.Training.Recipes;

/// <summary>Runs a pruning of a task, turn by turn; the last subnetwork whose metric passes comes out.</summary>
internal sealed class TaskPruningRun : IDisposable
{
    private readonly TaskPruningRecipe _recipe;
    private readonly RecipeContext _context;
    private readonly TrainedClassifier _classifier;
    private readonly PrunedTask _task;
    private readonly TaskMetric _metric;
    private readonly List<Turn> _turns = [];
    private double _least;

    public TaskPruningRun(TaskPruningRecipe recipe, RecipeContext context)
    {
        _recipe = recipe;
        _context = context;
        _classifier = TrainedClassifier.Open(context.Inputs, recipe.Source);
        var most = _classifier.Config.MaxPositions;
        var examples = LabelledDataset.Examples(
            LabelledDataset.Rows(context.Inputs, recipe.Dataset), _classifier.Tokenizer, _classifier.Labels,
            recipe.MaxTokens == 0 ? most : Math.Min(recipe.MaxTokens, most));
        _metric = recipe.Measure ?? (_classifier.IsRegression ? TaskMetric.Pearson : TaskMetric.Accuracy);
        _task = new(context.Backend, _classifier, examples, _metric);
    }

    private PrunedParts? Before => _classifier.Pack.Manifest.Pruned;

    public RecipeResult Run()
    {
        var full = Evaluate(_classifier.Pack, Before);
        if (full <= 0)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"The {SettingNames.Of($"{_metric}")} of '{_recipe.Source.Task}' on '{_recipe.Dataset}' is {full:F4}, "
                + $"and a part of what is 0 or less says nothing. Choose another measure, or train the task first."));
        }

        _least = _recipe.Keep * full;
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal) { ["full"] = full };
        var task = _recipe.Unit == PruningUnit.Weights ? PruneWeights(full, metrics) : PruneParts(full, metrics);
        return new(metrics, task);
    }

    public void Dispose()
    {
        _task.Dispose();
        _classifier.Dispose();
    }

    private double Evaluate(IMaskSource masks, PrunedParts? pruned) =>
        _task.Evaluate(masks, pruned, _context.CancellationToken);

    /// <summary>Notes a turn.</summary>
    /// <returns>Whether its metric passes.</returns>
    private bool Passes(string name, double pruned, double metric)
    {
        _turns.Add(new(name, pruned, metric, metric >= _least));
        _context.Observer.Evaluated(
            _turns.Count, new Dictionary<string, double> { ["metric"] = metric, ["pruned"] = pruned }, isBest: false);
        return metric >= _least;
    }

    private string PruneWeights(double full, Dictionary<string, double> metrics)
    {
        // Of the pooler nothing is pruned; masks that the task has over it stay.
        var tensors = WeightMasks.Prunable(_classifier.Config, Pooling.Cls);
        var start = WeightMasks.Of(tensors, tensor => _classifier.Pack.HasMask(tensor.Name)
            ? _classifier.Pack.ReadMask(tensor.Name).ToArray()
            : BitMask.AllKept(tensor.Rows, tensor.Columns));
        var order = WeightOrders.SmallestFirst(_classifier.Backbone);
        var (good, best) = (start, full);
        for (var turn = 1; turn <= _recipe.Turns && Part(good.Kept) > 0; turn++)
        {
            var next = WeightSelection.Prune(good, Part(good.Kept), order);
            var metric = Evaluate(With(next), Before);
            if (!Passes($"turn {turn}", next.Sparsity, metric))
                break;
            (good, best) = (next, metric);
        }

        var count = start.Kept - good.Kept;
        metrics["metric"] = best;
        metrics["sparsity"] = good.Sparsity;
        Compare(
            metrics,
            seed => Evaluate(With(WeightSelection.Prune(start, count, WeightOrders.Random(seed))), Before),
            _ => Evaluate(
                With(WeightSelection.Prune(start, count, WeightOrders.LargestFirst(_classifier.Backbone))), Before));
        WriteReport(metrics, parts: null, importance: null);
        return WriteTask(With(good), Before, ticket: null, metrics);
    }

    private string PruneParts(double full, Dictionary<string, double> metrics)
    {
        var start = PartSet.Of(_classifier.Config, Before);
        var importance = Importance(start);
        var first = importance;
        var (good, best) = (start, full);
        var heads = Math.Max(1, (int)(_recipe.Step * _classifier.Config.Heads * _classifier.Config.Layers));
        Phase("both", heads, 1);
        Phase("heads", Math.Max(1, heads / 2), 0);
        Phase("feed-forward", 0, 1);

        var pruned = good.ToPruned();
        metrics["metric"] = best;
        metrics["heads"] = good.Heads;
        metrics["feed_forward"] = good.FeedForward;
        Compare(
            metrics,
            seed => Evaluate(_classifier.Pack, good.Random(seed, start).ToPruned()),
            seed => Evaluate(_classifier.Pack, good.Bad(seed, start).ToPruned()));
        WriteReport(metrics, pruned, first);
        WriteHeatmap(first);
        if (good.Heads + good.FeedForward == 0)
        {
            _context.Observer.Warned(
                _turns.Count,
                $"Without any head and feed-forward layer '{_recipe.Source.Task}' is as good: it does not look at its "
                + "texts. Look at the dataset, or train the task anew.");
        }

        return WriteTask(_classifier.Pack, pruned, _classifier.Pack.Manifest.Ticket, metrics);

        void Phase(string name, int headCount, int layerCount)
        {
            while (Math.Min(headCount, good.Heads) + Math.Min(layerCount, good.FeedForward) > 0)
            {
                var next = good.Prune(importance, headCount, layerCount);
                var metric = Evaluate(_classifier.Pack, next.ToPruned());
                var all = _classifier.Config.Layers * (_classifier.Config.Heads + 1);
                if (!Passes(name, 1 - ((double)(next.Heads + next.FeedForward) / all), metric))
                    return;
                (good, best) = (next, metric);
                importance = Importance(good);
            }
        }
    }

    private PartImportance Importance(PartSet parts) =>
        _task.Importance(_classifier.Pack, parts.ToPruned(), _context.CancellationToken).Normalized();

    /// <summary>Random and bad subnetworks of the size of the good one, with each seed.</summary>
    private void Compare(Dictionary<string, double> metrics, Func<ulong, double> random, Func<ulong, double> bad)
    {
        if (_recipe.Seeds.Count == 0)
            return;
        List<ulong> keys = [.. _recipe.Seeds.Select(seed => CounterRandom.Key(seed, Purpose.Mask))];
        metrics["mean_random"] = keys.Average(random);
        metrics["mean_bad"] = keys.Average(bad);
    }

    private long Part(long kept) => (long)Math.Round((decimal)_recipe.Step * kept, MidpointRounding.ToEven);

    private MasksOver With(WeightMasks masks) => new(masks, _classifier.Pack);

    private void WriteReport(
        IReadOnlyDictionary<string, double> metrics, PrunedParts? parts, PartImportance? importance)
    {
        _context.WriteReport("task-pruning.json", Recipe.Serialize(new
        {
            _recipe.Source,
            _recipe.Dataset,
            _recipe.Unit,
            Measure = _metric,
            LeastMetric = _least,
            Metrics = metrics,
            Turns = _turns,
            Pruned = parts,
            Importance = importance
        }));
        _context.WriteReport("task-pruning.svg", SvgPlot.Chart(
            $"Pruning {_recipe.Source.Task} on {_recipe.Dataset}",
            "pruned",
            SettingNames.Of($"{_metric}"),
            [
                new("metric", [(0, metrics["full"]), .. _turns.Select(turn => (turn.Pruned, turn.Metric))]),
                new("must stay", [(0, _least), .. _turns.Select(turn => (turn.Pruned, _least))])
            ]));
    }

    private void WriteHeatmap(PartImportance importance) => _context.WriteReport("importance.svg", SvgPlot.Heatmap(
        $"Importance of parts of {_recipe.Source.Task} on {_recipe.Dataset}",
        [.. importance.Heads.Select((_, layer) => $"layer {layer}")],
        [.. importance.Heads[0].Select((_, head) => $"head {head}"), "feed-forward"],
        [.. importance.Heads.Select((layer, i) => (IReadOnlyList<double>)[.. layer, importance.FeedForward[i]])],
        "F2"));

    private string WriteTask(
        IMaskSource masks, PrunedParts? pruned, Models.Versions.TicketOrigin? ticket,
        IReadOnlyDictionary<string, double> metrics)
    {
        var manifest = _classifier.Pack.Manifest;
        return new TaskArtifact
        {
            Backbone = manifest.Backbone,
            BackboneParts = manifest.BackboneParts,
            Labels = _classifier.Labels,
            HasPairs = _classifier.HasPairs,
            Pooling = _classifier.Pooling,
            Threshold = manifest.Threshold,
            Ticket = ticket,
            Pruned = pruned,
            Masks = BertTensors.Maskable(_classifier.Config).Where(tensor => masks.HasMask(tensor.Name))
                .Select(tensor => (
                    tensor.Name, tensor.Rows, tensor.Columns,
                    (ReadOnlyMemory<byte>)masks.ReadMask(tensor.Name).ToArray())),
            Head = _task.Head,
            Metrics = metrics,
            Data = [LabelledDataset.Manifest(_context.Inputs, _recipe.Dataset).Digest]
        }.Write(_context, _recipe);
    }

    /// <param name="Name">What was pruned in it.</param>
    /// <param name="Pruned">The part of weights, or of parts, that is pruned after it.</param>
    private sealed record Turn(string Name, double Pruned, double Metric, bool Passes);

    /// <summary>Masks, and those of a task for what they do not cover.</summary>
    private sealed class MasksOver(WeightMasks masks, IMaskSource others) : IMaskSource
    {
        public bool HasMask(string name) => masks.HasMask(name) || others.HasMask(name);

        public ReadOnlySpan<byte> ReadMask(string name) =>
            masks.HasMask(name) ? masks.ReadMask(name) : others.ReadMask(name);
    }
}
