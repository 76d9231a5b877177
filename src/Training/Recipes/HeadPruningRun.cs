using Serving.Models.Bert;
using Serving.Text.Bert;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Loop;
using Serving.Training.Pruning;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>What came of one training, as it is stored.</summary>
/// <param name="Strategy">Null for all heads.</param>
/// <param name="Importance">Of the heads, where all were trained.</param>
/// <param name="HeadWeight">[labels, hidden]</param>
internal sealed record HeadPruningResult(
    ulong Seed, HeadStrategy? Strategy, PrunedParts? Pruned, double Metric, IReadOnlyDictionary<string, double> Metrics,
    PartImportance? Importance, float[] HeadWeight, float[] HeadBias);

/// <summary>Runs a pruning of heads: for each seed a training of all heads, and one for each strategy.</summary>
internal sealed class HeadPruningRun
{
    private readonly HeadPruningRecipe _recipe;
    private readonly RecipeContext _context;
    private readonly BertFolder _folder;
    private readonly BertConfig _config;
    private readonly BertTokenizer _tokenizer;
    private readonly ClassifierData _data;
    private readonly bool _hasPairs;
    private readonly List<(ulong Seed, HeadStrategy? Strategy)> _plan;
    private readonly StageLog<HeadPruningResult> _stages;

    public HeadPruningRun(HeadPruningRecipe recipe, RecipeContext context)
    {
        _recipe = recipe;
        _context = context;
        _folder = new(context.Inputs.ModelFolder(recipe.Base.Model));
        _config = _folder.LoadConfig();
        _tokenizer = _folder.LoadTokenizer();
        var (train, validation) = recipe.Base.Rows(context.Inputs);
        _hasPairs = train[0].Pair is not null;
        _data = recipe.Base.Data(_tokenizer, train, validation) with
        {
            Describe = new RowOrigins(context.Inputs, recipe.Base.Dataset, train).Describe
        };
        _plan =
        [
            .. recipe.Seeds.SelectMany(seed => recipe.Strategies.Select(strategy => (HeadStrategy?)strategy)
                .Prepend(null).Select(strategy => (seed, strategy)))
        ];
        _stages = new(context.Checkpoints, _plan.Count);
    }

    private string ModelFolder => Path.Combine(_context.Checkpoints, "model");

    public RecipeResult Run()
    {
        var digests = _recipe.Base.Digests(_context.Inputs);
        while (!_stages.IsOver)
        {
            var (seed, strategy) = _plan[_stages.Current];
            Run(seed, strategy);
        }

        var report = new HeadPruningReport(_recipe, _config, _stages.Finished);
        report.Write(_context);
        var published = _stages.Finished[1];
        var metrics = new Dictionary<string, double>(published.Metrics, StringComparer.Ordinal);
        foreach (var (name, value) in report.Metrics)
            metrics[name] = value;
        var model = _context.NewArtifact("model");
        RecipeContext.CopyFolder(ModelFolder, model);
        var backbone = new BertFolder(model).ReadDigest();
        var task = new TaskArtifact
        {
            Backbone = backbone.Value,
            BackboneParts = backbone,
            Labels = _data.Labels,
            HasPairs = _hasPairs,
            Pooling = _recipe.Base.Settings.PoolingOf(_config),
            Pruned = published.Pruned,
            Masks = [],
            Head = (published.HeadWeight, published.HeadBias),
            Metrics = metrics,
            Data = digests
        }.Write(_context, _recipe);
        return new(metrics, task, model);
    }

    private void Run(ulong seed, HeadStrategy? strategy)
    {
        var pruned = strategy is null ? null : Choose(strategy.Value, seed);
        var settings = _recipe.Base.Settings with
        {
            Seed = seed,
            EvaluationInterval = int.MaxValue, // At the end alone, so that the last state is the best.
            Patience = 0
        };
        using var files = _folder.OpenWeights();
        using var trainer = new ClassifierTrainer(
            _context.Backend, _config, new CheckpointParameters(files), _data, settings, new() { Pruned = pruned });
        var state = trainer.Run(
            _stages.Observe(_context.Observer), new(_stages.Checkpoints), _context.CancellationToken);
        if (_stages.Current == 1)
        {
            if (Directory.Exists(ModelFolder)) // Of an attempt that was interrupted.
                Directory.Delete(ModelFolder, recursive: true);
            BertFolderWriter.Write(
                ModelFolder, _config, _tokenizer, trainer.Model.Tensors(),
                new PrunedParameters(trainer.Model, _config, pruned!)); // The network that is judged.
        }

        var needsImportance = strategy is null && _recipe.Strategies.Any(each => each.NeedsImportance());
        var head = trainer.Head();
        var result = new HeadPruningResult(
            seed, strategy, pruned, state.Best!.Metric, state.Best.ToMetrics(_data.IsRegression),
            needsImportance
                ? PartImportance.Of(
                    _context.Backend, _config, trainer.Model, trainer.Pooling, head, _data.Validation,
                    _data.IsRegression, _context.CancellationToken)
                : null,
            head.Weight, head.Bias);
        _stages.Finish(result);
        _context.Observer.Evaluated(
            _stages.Current * trainer.TotalSteps,
            new Dictionary<string, double> { [HeadPruningReport.NameOf(strategy)] = result.Metric }, isBest: false);
    }

    private PrunedParts Choose(HeadStrategy strategy, ulong seed)
    {
        var importance = _stages.Finished.Single(result => result.Seed == seed && result.Strategy is null).Importance;
        return strategy.Choose(_config, _recipe.Count(_config), seed, importance?.Normalized());
    }
}
