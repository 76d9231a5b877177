using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Storage;
using Serving.Tensors;
using Serving.Text.Bert;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Loop;
using Serving.Training.Pruning;
using Purpose = Serving.Training.RandomPurposes.Pruning;

namespace Serving.Training.Recipes;

/// <summary>What came of one training of a pruning, as it is stored.</summary>
/// <param name="Kept">Weights that it had, of those that may be pruned.</param>
/// <param name="Metrics">Of its last state.</param>
/// <param name="HeadWeight">[labels, hidden]</param>
internal sealed record PruningResult(
    ulong Seed, int Round, PruningControl? Control, ulong TrainingSeed, long Kept, double Sparsity, double Metric,
    IReadOnlyDictionary<string, double> Metrics, float[] HeadWeight, float[] HeadBias);

/// <summary>Runs a pruning: its trainings one after another, each resumable, with masks and weights on disk.</summary>
/// <remarks>
/// A stage's files are complete before the log says that it is finished, and depend on nothing but the recipe: a job
/// that is killed between writes the same ones again.
/// </remarks>
internal sealed class PruningRun
{
    private readonly PruningRecipe _recipe;
    private readonly RecipeContext _context;
    private readonly PruningPlan _plan;
    private readonly BertFolder _folder;
    private readonly BertConfig _config;
    private readonly BertTokenizer _tokenizer;
    private readonly ClassifierData _data;
    private readonly bool _hasPairs;
    private readonly IReadOnlyList<(string Name, int Rows, int Columns)> _prunable;
    private readonly StageLog<PruningResult> _stages;

    public PruningRun(PruningRecipe recipe, RecipeContext context)
    {
        _recipe = recipe;
        _context = context;
        _plan = new(recipe);
        _folder = new(context.Inputs.ModelFolder(recipe.Base.Model));
        _config = _folder.LoadConfig();
        _tokenizer = _folder.LoadTokenizer();
        var (train, validation) = recipe.Base.Rows(context.Inputs);
        _hasPairs = train[0].Pair is not null;
        _data = recipe.Base.Data(_tokenizer, train, validation) with
        {
            Describe = new RowOrigins(context.Inputs, recipe.Base.Dataset, train).Describe
        };
        _prunable = WeightMasks.Prunable(_config, recipe.Base.Settings.PoolingOf(_config));
        _stages = new(context.Checkpoints, _plan.Stages.Count);
    }

    private bool IsIterative => _recipe.Method is PruningMethod.Iterative or PruningMethod.Standard;

    public RecipeResult Run()
    {
        var digests = _recipe.Base.Digests(_context.Inputs);
        while (!_stages.IsOver)
            Run(_plan.Stages[_stages.Current]);
        var report = new PruningReport(_recipe, _stages.Finished, [.. _recipe.Seeds.Select(Ticket)]);
        report.Write(_context);
        var ticket = report.Published;
        var metrics = new Dictionary<string, double>(ticket.Metrics, StringComparer.Ordinal);
        foreach (var (name, value) in report.Metrics)
            metrics[name] = value;
        if (_recipe.Incumbent is not null)
        {
            metrics[IComparableRecipe.IncumbentMetric] = _recipe.Base.MetricOfIncumbent(
                _context, _recipe.Base.Rows(_context.Inputs).Validation);
        }

        var model = _context.NewArtifact("model");
        RecipeContext.CopyFolder(WeightsOf(ticket.Seed, _plan.Last), model);
        return new(metrics, WriteTask(ticket, model, digests, metrics), model);
    }

    private void Run(PruningStage stage)
    {
        var masks = MasksFor(stage);
        using var files = WeightsFor(stage, out var weights);
        var settings = _recipe.Base.Settings with
        {
            Seed = stage.TrainingSeed,
            EvaluationInterval = int.MaxValue, // At the end alone, so that the last state is the best.
            Patience = 0
        };
        using var trainer = new ClassifierTrainer(_context.Backend, _config, weights, _data, settings, new()
        {
            Masks = masks.Kept < masks.Total ? masks : null,
            Head = HeadFor(stage),
            StopAfter = stage.Round == PruningStage.Start ? StartStep() : null
        });
        var state = trainer.Run(
            _stages.Observe(_context.Observer), new(_stages.Checkpoints), _context.CancellationToken);
        var trained = new MaskedParameters(trainer.Model, masks);
        if (stage.Control is null)
        {
            if (NeedsWeights(stage))
                WriteModel(WeightsOf(stage.Seed, stage.Round), trainer.Model.Tensors(), trained);
            if (stage.Round >= 0 && stage.Round < _plan.Last)
                NextMasks(stage, masks, trained).Write(MaskFile(stage.Seed, stage.Round + 1));
        }

        var (headWeight, headBias) = trainer.Head();
        var result = new PruningResult(
            stage.Seed, stage.Round, stage.Control, stage.TrainingSeed, masks.Kept, masks.Sparsity,
            state.Best!.Metric, state.Best.ToMetrics(_data.IsRegression), headWeight, headBias);
        _stages.Finish(result);
        _context.Observer.Evaluated(
            _stages.Current * trainer.TotalSteps,
            new Dictionary<string, double>
            {
                [PruningReport.NameOf(result)] = result.Metric,
                ["sparsity"] = result.Sparsity
            },
            isBest: false);
        if (_recipe.Method == PruningMethod.Standard && stage.Round > 0)
            DiskFileSystem.Instance.TryDelete(WeightsOf(stage.Seed, stage.Round - 1));
    }

    private WeightMasks MasksFor(PruningStage stage) => stage.Control switch
    {
        PruningControl.RandomMask => PruneAtOnce(
            WeightOrders.Random(CounterRandom.Key(stage.Seed, Purpose.Mask)), Ticket(stage.Seed)),
        PruningControl.OneShot => PruneStart(stage.Seed, Ticket(stage.Seed)),
        not null => Ticket(stage.Seed),
        _ => stage.Round <= 0 ? WeightMasks.AllKept(_prunable) : Masks(stage.Seed, stage.Round)
    };

    private WeightMasks NextMasks(PruningStage stage, WeightMasks masks, IParameterSource trained)
    {
        if (_recipe.Method == PruningMethod.Transfer)
            return _recipe.ReadSource(_context.Inputs, _prunable);
        var count = _recipe.Schedule.Count(stage.Round, masks.Kept);
        if (IsIterative)
            return WeightSelection.Prune(masks, count, WeightOrders.SmallestFirst(trained));
        if (_recipe.Method == PruningMethod.Random)
        {
            return WeightSelection.Prune(
                masks, count, WeightOrders.Random(CounterRandom.Key(stage.Seed, Purpose.Mask)));
        }

        using var files = StartWeights(stage.Seed, out var start);
        return WeightSelection.Prune(masks, count, WeightOrders.SmallestFirst(start));
    }

    /// <summary>As many weights as a ticket, the smallest of the start pruned.</summary>
    private WeightMasks PruneStart(ulong seed, WeightMasks ticket)
    {
        using var files = StartWeights(seed, out var start);
        return PruneAtOnce(WeightOrders.SmallestFirst(start), ticket);
    }

    private WeightMasks PruneAtOnce(WeightOrder order, WeightMasks ticket) =>
        WeightSelection.Prune(WeightMasks.AllKept(_prunable), ticket.Total - ticket.Kept, order);

    /// <summary>The weights that a training begins with.</summary>
    private WeightFiles WeightsFor(PruningStage stage, out IParameterSource weights)
    {
        if (_recipe.Method == PruningMethod.Standard && stage is { Control: null, Round: > 0 })
            return Open(WeightsOf(stage.Seed, stage.Round - 1), out weights);
        var files = stage.Round == PruningStage.Start
            ? Open(_folder.Path, out weights)
            : StartWeights(stage.Seed, out weights);
        weights = stage.Control switch
        {
            PruningControl.Reinitialized => new InitialParameters(CounterRandom.Key(stage.Seed, Purpose.Weights)),
            PruningControl.ShuffledLayers =>
                new ShuffledLayers(weights, _config, CounterRandom.Key(stage.Seed, Purpose.Order)),
            PruningControl.ShuffledWeights =>
                new ShuffledWeights(weights, _prunable, CounterRandom.Key(stage.Seed, Purpose.Order)),
            _ => weights
        };
        return files;
    }

    /// <summary>The weights that are put back to.</summary>
    private WeightFiles StartWeights(ulong seed, out IParameterSource weights) => _recipe.Rewind > 0
        ? Open(WeightsOf(seed, PruningStage.Start), out weights)
        : Open(_folder.Path, out weights);

    private static WeightFiles Open(string folder, out IParameterSource weights)
    {
        var files = new BertFolder(folder).OpenWeights();
        weights = new CheckpointParameters(files);
        return files;
    }

    private (float[] Weight, float[] Bias)? HeadFor(PruningStage stage)
    {
        if (!_recipe.KeepHead || stage is not { Control: null, Round: > 0 })
            return null;
        var before = _stages.Finished[^1];
        return (before.HeadWeight, before.HeadBias);
    }

    /// <summary>The step that is rewound to: at least one.</summary>
    private long StartStep()
    {
        var order = new DataOrder(
            _data.Train.Count, _recipe.Base.Settings.BatchSize, dropsIncomplete: false, seed: 0);
        return Math.Max(1, (long)Math.Round(
            _recipe.Rewind * order.StepsPerEpoch * _recipe.Base.Settings.Epochs, MidpointRounding.ToEven));
    }

    /// <summary>Whether its weights are needed: by the next stage, or for the model that comes out.</summary>
    private bool NeedsWeights(PruningStage stage) => stage.Round == PruningStage.Start
        || _recipe.Method == PruningMethod.Standard
        || (stage.Round == _plan.Last && stage.Seed == _recipe.Seeds[0]);

    private WeightMasks Ticket(ulong seed) => Masks(seed, _plan.Last);

    private WeightMasks Masks(ulong seed, int round) => WeightMasks.Read(MaskFile(seed, round), _prunable);

    private string MaskFile(ulong seed, int round) =>
        Path.Combine(_context.Checkpoints, $"seed-{seed}", $"masks-{round}.safetensors");

    private string WeightsOf(ulong seed, int round) =>
        Path.Combine(_context.Checkpoints, $"seed-{seed}", round < 0 ? "start" : $"weights-{round}");

    private void WriteModel(
        string folder, IEnumerable<(string Name, int Rows, int Columns)> tensors, IParameterSource weights)
    {
        if (Directory.Exists(folder)) // Of an attempt that was interrupted.
            Directory.Delete(folder, recursive: true);
        BertFolderWriter.Write(folder, _config, _tokenizer, tensors, weights);
    }

    private string WriteTask(
        PruningResult ticket, string model, IReadOnlyList<string> digests,
        IReadOnlyDictionary<string, double> metrics)
    {
        var (masks, backbone) = (Ticket(ticket.Seed), new BertFolder(model).ReadDigest());
        return new TaskArtifact
        {
            Backbone = backbone.Value,
            BackboneParts = backbone,
            Labels = _data.Labels,
            HasPairs = _hasPairs,
            Pooling = _recipe.Base.Settings.PoolingOf(_config),
            Ticket = new(_folder.ReadDigest().Weights, _recipe.Rewind > 0 ? StartStep() : 0),
            Masks = masks.Tensors.Select(tensor => (
                tensor.Name, tensor.Rows, tensor.Columns, masks.Bits(tensor.Name))),
            Head = (ticket.HeadWeight, ticket.HeadBias),
            Metrics = metrics,
            Data = digests
        }.Write(_context, _recipe);
    }
}
