using System.Globalization;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Text;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Layers;
using Serving.Training.Optimization;
using Purpose = Serving.Training.RandomPurposes.Pretraining;

namespace Serving.Training.Pretraining;

/// <summary>What a pretraining checkpoint holds besides tensors.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Metrics">Of the last evaluation, see <see cref="PretrainingEvaluator"/>; none before the first.</param>
/// <param name="Elapsed">Time spent training.</param>
/// <param name="Ledger">Where continual learning stands.</param>
public sealed record PretrainingState(
    long Step, IReadOnlyDictionary<string, double> Metrics, TimeSpan Elapsed, TokenLedger Ledger);

/// <summary>Trains a backbone by masked language modelling (Devlin et al. 2019) and other objectives.</summary>
/// <remarks>
/// Each epoch hides other tokens. A step depends only on the seed and the step's number, so training that resumes from
/// a checkpoint ends with the same bits; with a budget of time it also depends on the clock.
/// </remarks>
public sealed class PretrainingTrainer : IDisposable
{
    private readonly PretrainingSettings _settings;
    private readonly ExampleSampler _sampler;
    private readonly MaskedLanguageHead _head;
    private readonly AuxiliaryHeads _auxiliary;
    private readonly AdamOptimizer _optimizer;
    private readonly Tape _tape;
    private readonly ObjectiveLosses _losses;
    private readonly PretrainingEvaluator _evaluator;
    private readonly LearningRateSchedule _schedule;
    private readonly BudgetSchedule? _budget;
    private readonly ObjectiveSchedule _objectives;
    private readonly TimeProvider _time;
    private long _mark;
    private PretrainingState _state;
    private (long Epoch, int[] Order) _order = (-1, []);

    /// <param name="weights">Where training begins, see <see cref="InitialBertWeights"/>.</param>
    /// <param name="sampler">Makes examples from the corpus.</param>
    /// <param name="heldOut">Makes examples from held-out text, for evaluations.</param>
    /// <exception cref="ArgumentException">A setting is out of range, or the corpus is too small.</exception>
    public PretrainingTrainer(
        TrainingBackend backend,
        BertConfig config,
        IBertWeights weights,
        ExampleSampler sampler,
        ExampleSampler heldOut,
        PretrainingSettings settings,
        TimeProvider? time = null)
    {
        settings.Validate();
        if (sampler.Spans.Count < settings.BatchSize)
        {
            throw new SettingException(
                nameof(settings.BatchSize),
                $"The corpus has {sampler.Spans.Count} sequences, less than one batch of {settings.BatchSize}; give "
                + "more text, or choose a smaller batch.");
        }

        var needing = settings.Objectives.Select(Objectives.Of).FirstOrDefault(traits => traits.NeedsDocuments);
        if (sampler.Documents == 1 && needing is not null)
        {
            throw new SettingException(
                nameof(settings.Objectives),
                $"{needing.Name} tells documents apart, and the corpus has one; give a document a row.");
        }

        _time = time ?? TimeProvider.System;
        _mark = _time.GetTimestamp();
        _settings = settings;
        _sampler = sampler;
        Model = BertModel.Load(backend, config, weights);
        Model.TrainAll();
        _head = new(backend, Model, CounterRandom.Key(settings.Seed, Purpose.Head), settings.InitialDeviation);
        _auxiliary = new(
            backend, Model, settings.IsControl ? [] : settings.Objectives,
            CounterRandom.Key(settings.Seed, Purpose.Auxiliary), settings.InitialDeviation);
        _optimizer = new(backend, Trained, settings.Adam);
        _tape = new(backend);
        _losses = new(_tape, Model, _head, _auxiliary);
        // Hides the same tokens in every job, so that losses can be compared.
        _evaluator = new(
            _tape, _losses, heldOut, settings.IsControl ? [] : settings.Objectives,
            CounterRandom.Key(0, Purpose.Hiding));
        _budget = settings.Budget is { } budget ? new(settings.LearningRate, budget, settings.WarmUp) : null;
        _schedule = new(
            settings.LearningRate, settings.Decay, (long)Math.Round(settings.WarmUp * settings.Steps), settings.Steps);
        _objectives = new(
            settings.Combination,
            settings.Objectives,
            settings.Steps,
            objectives => settings.BatchSize * sampler.MeanTokens(objectives),
            CounterRandom.Key(settings.Seed, Purpose.Schedule));
        _state = new(0, new Dictionary<string, double>(StringComparer.Ordinal), default, _objectives.Ledger);
    }

    public BertModel Model { get; }

    public PretrainingState State => _state;

    private int BatchesPerEpoch => _sampler.Spans.Count / _settings.BatchSize;

    private IEnumerable<Parameter> Trained => [.. Model.Parameters, .. _head.Parameters, .. _auxiliary.Parameters];

    /// <summary>Trains to the end, from the last checkpoint if there is one.</summary>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public PretrainingState Run(
        ITrainingObserver observer, CheckpointFolder<PretrainingState>? checkpoints,
        CancellationToken cancellationToken)
    {
        if (checkpoints is not null)
            Resume(checkpoints);
        _mark = _time.GetTimestamp();
        while (!IsOver)
        {
            cancellationToken.ThrowIfCancellationRequested();
            observer.Stepped(Step());
            var isDue = _settings.EvaluationInterval > 0 && _state.Step % _settings.EvaluationInterval == 0;
            if (isDue || IsOver)
                Evaluate(observer, cancellationToken);
            if (checkpoints is not null && _settings.CheckpointInterval > 0
                && _state.Step % _settings.CheckpointInterval == 0)
                Save(checkpoints);
        }

        return _state;
    }

    public void Dispose()
    {
        _tape.Dispose();
        _optimizer.Dispose();
        _auxiliary.Dispose();
        _head.Dispose();
        Model.Dispose();
    }

    private bool IsOver => _state.Step >= _settings.Steps || _state.Elapsed >= _settings.Budget;

    /// <summary>The time spent training, up to now.</summary>
    private TimeSpan Elapsed()
    {
        var now = _time.GetTimestamp();
        var elapsed = _state.Elapsed + _time.GetElapsedTime(_mark, now);
        _mark = now;
        return elapsed;
    }

    /// <summary>How many steps there will be; with a budget of time, at the speed so far.</summary>
    private long TotalSteps(long step, TimeSpan elapsed) => _settings.Budget is { } budget && elapsed > TimeSpan.Zero
        ? Math.Clamp((long)(step * (budget / elapsed)), step, _settings.Steps)
        : _settings.Steps;

    private TrainingProgress Step()
    {
        var step = _state.Step + 1;
        var objectives = _objectives.At(step);
        var examples = Examples(step, objectives);
        var learned = _settings.IsControl ? new HashSet<Objective> { Objective.MaskedLanguageModel } : objectives;
        var counts = learned.ToDictionary(
            objective => objective, objective => examples.Sum(example => ObjectiveLosses.Count(example, objective)));
        var dropout = new DropoutKeys(
            CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Dropout), (ulong)step), _settings.Dropout,
            _settings.Dropout);
        var sums = learned.ToDictionary(objective => objective, _ => default(ObjectiveSums));
        foreach (var part in MicroBatches.Split(examples, example => example.Tokens))
        {
            foreach (var (objective, sum) in _losses.Run(part, learned, counts, dropout))
                sums[objective] += sum;
            _tape.Backward();
            _tape.Reset();
        }

        // The sum of the objectives' means over all that they predict in the step.
        var loss = sums.Values.Sum(sum => sum.Count == 0 ? 0 : sum.Loss / sum.Count);
        if (!double.IsFinite(loss))
        {
            throw new DivergedException(
                $"The loss is {loss} at step {step}. Lower the learning rate, or clip gradients.");
        }

        var learningRate = _budget?.At(_state.Elapsed) ?? _schedule.At(step);
        _optimizer.Step(learningRate);
        var tokens = examples.Sum(example => (long)example.Tokens);
        _objectives.Taken(step, tokens);
        _state = _state with { Step = step, Elapsed = Elapsed(), Ledger = _objectives.Ledger };
        return new(step, TotalSteps(step, _state.Elapsed), loss, learningRate, tokens);
    }

    /// <summary>The examples of a step. Each epoch has its own order and drops an incomplete batch.</summary>
    private List<PretrainingExample> Examples(long step, IReadOnlySet<Objective> objectives)
    {
        var (epoch, inEpoch) = Math.DivRem(step - 1, BatchesPerEpoch);
        if (_order.Epoch != epoch)
        {
            var key = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Order), (ulong)epoch);
            _order = (epoch, CounterRandom.Permutation(_sampler.Spans.Count, key));
        }

        var copy = _settings.MaskedCopies == 0 ? epoch : epoch % _settings.MaskedCopies;
        var hiding = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Hiding), (ulong)copy);
        var spans = _order.Order.AsSpan((int)inEpoch * _settings.BatchSize, _settings.BatchSize);
        var examples = new List<PretrainingExample>(spans.Length);
        foreach (var span in spans)
            examples.Add(_sampler.Sample(span, objectives, CounterRandom.Bits(hiding, (ulong)span)));
        return examples;
    }

    private void Evaluate(ITrainingObserver observer, CancellationToken cancellationToken)
    {
        _state = _state with { Metrics = _evaluator.Run(cancellationToken) };
        var loss = _state.Metrics[PretrainingEvaluator.Loss];
        if (_state.Elapsed > _settings.GiveUpAfter && loss > _settings.GiveUpLoss)
        {
            throw new DivergedException(string.Create(
                CultureInfo.InvariantCulture,
                $"After {_state.Elapsed:c} the loss is {loss:F3}, still above {_settings.GiveUpLoss}. "
                + $"Change the learning rate or the batch size."));
        }

        observer.Evaluated(_state.Step, _state.Metrics, isBest: false);
    }

    private void Save(CheckpointFolder<PretrainingState> checkpoints) => checkpoints.Save(
        _state.Step, _state,
        [.. Trained.Select(parameter => ("value of " + parameter.Name, parameter.Value)), .. _optimizer.State], []);

    private void Resume(CheckpointFolder<PretrainingState> checkpoints)
    {
        using var checkpoint = checkpoints.Open();
        if (checkpoint is null)
            return;
        foreach (var parameter in Trained)
            checkpoint.Read("value of " + parameter.Name, parameter.Value);
        foreach (var (name, tensor) in _optimizer.State)
            checkpoint.Read(name, tensor);
        _optimizer.Steps = checkpoint.State.Step;
        _state = checkpoint.State;
        _objectives.Ledger = _state.Ledger;
    }
}
