using System.Runtime.InteropServices;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Layers;
using Serving.Training.Optimization;
using Purpose = Serving.Training.RandomPurposes.Classifier;

namespace Serving.Training.Classification;

/// <summary>What a classifier's checkpoint holds besides tensors.</summary>
public sealed record ClassifierState
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>The step of the best evaluation; 0 if there was none.</summary>
    public long BestStep { get; init; }

    public EvaluationReport? Best { get; init; }

    /// <summary>Evaluations since the best.</summary>
    public int SinceBest { get; init; }
}

/// <summary>Trains a classifier: all weights, masks over them, or the head alone.</summary>
/// <remarks>
/// A step depends only on the settings' seed and the step's number, so training that resumes from a checkpoint ends
/// with the same bits.
/// </remarks>
public sealed class ClassifierTrainer : IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly ClassifierSettings _settings;
    private readonly ClassifierData _data;
    private readonly BertModel _model;
    private readonly ClassifierHead _head;
    private readonly BertScores? _scores;
    private readonly AdamOptimizer _optimizer;
    private readonly Tape _tape;
    private readonly LearningRateSchedule _schedule;
    private readonly Dictionary<string, byte[]> _best = new(StringComparer.Ordinal);
    private ClassifierState _state = new() { Step = 0 };
    private (long Epoch, int[] Order) _order = (-1, []);

    /// <exception cref="ArgumentException">A setting is out of range, or the data can't be learned from.</exception>
    public ClassifierTrainer(
        TrainingBackend backend, BertConfig config, IBertWeights weights, ClassifierData data,
        ClassifierSettings settings)
    {
        settings.Validate();
        data.Validate();
        if (settings.Method == TrainingMethod.Mask)
            BertScores.ThrowUnlessValid(config, settings.Mask);
        _backend = backend;
        _settings = settings;
        _data = data;
        _model = BertModel.Load(backend, config, weights);
        var isFrozen = settings is { Method: TrainingMethod.Mask, TrainsHead: false };
        _head = new(
            backend, data.Outputs, config.Hidden, CounterRandom.Key(settings.Seed, Purpose.Head), isTrained: !isFrozen);
        foreach (var parameter in _head.Parameters)
            parameter.LearningRateScale = (settings.HeadLearningRate ?? settings.LearningRate) / settings.LearningRate;
        if (settings.Method == TrainingMethod.Mask)
        {
            _scores = BertScores.Create(backend, _model, settings.Mask, CounterRandom.Key(settings.Seed, Purpose.Mask));
            _scores.TrainAll();
        }

        if (settings.Method == TrainingMethod.Finetune)
            _model.TrainAll();
        _optimizer = new(backend, Trained, settings.Adam);
        _tape = new(backend);
        StepsPerEpoch = (data.Train.Count + settings.BatchSize - 1) / settings.BatchSize;
        TotalSteps = (long)StepsPerEpoch * settings.Epochs;
        _schedule = new(
            settings.LearningRate, settings.Decay, (long)Math.Round(settings.WarmUp * TotalSteps), TotalSteps);
    }

    public int StepsPerEpoch { get; }

    public long TotalSteps { get; }

    public ClassifierState State => _state;

    /// <summary>The weights: trained, or frozen under the masks.</summary>
    public BertModel Model => _model;

    private IEnumerable<Parameter> Trained =>
        [.. _model.Parameters, .. _scores?.Parameters ?? [], .. _head.Parameters];

    /// <summary>Trains to the end, from the last checkpoint if there is one, then restores the best state.</summary>
    /// <param name="checkpoints">Null for none.</param>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public ClassifierState Run(
        ITrainingObserver observer, CheckpointFolder<ClassifierState>? checkpoints, CancellationToken cancellationToken)
    {
        if (checkpoints is not null)
            Resume(checkpoints);
        using var frozen =
            _settings.Method == TrainingMethod.Finetune ? null : BertEncoder.Load(_backend, _model.Config, _model);
        while (_state.Step < TotalSteps && !IsStalled)
        {
            cancellationToken.ThrowIfCancellationRequested();
            observer.Stepped(Step());
            var interval = _settings.EvaluationInterval > 0 ? _settings.EvaluationInterval : StepsPerEpoch;
            if (_state.Step % interval == 0 || _state.Step == TotalSteps)
                Evaluate(frozen, observer, cancellationToken);
            if (checkpoints is not null && _settings.CheckpointInterval > 0
                && _state.Step % _settings.CheckpointInterval == 0)
                Save(checkpoints);
        }

        RestoreBest();
        return _state;
    }

    /// <summary>The best masks' bits, by the name of their matrix; empty without masks.</summary>
    public IReadOnlyDictionary<string, byte[]> Masks() =>
        _scores?.Masked.ToDictionary(
            masked => masked.Name, masked => _best[MaskBlob(masked.Name)], StringComparer.Ordinal) ?? [];

    /// <summary>The head: weight [labels, hidden] and bias [labels].</summary>
    public (float[] Weight, float[] Bias) Head() => (_head.Weight.Value.ToArray(), _head.Bias.Value.ToArray());

    public void Dispose()
    {
        _tape.Dispose();
        _optimizer.Dispose();
        _scores?.Dispose();
        _head.Dispose();
        _model.Dispose();
    }

    private static string MaskBlob(string name) => "best mask of " + name;

    private static string ValueBlob(string name) => "best value of " + name;

    private bool IsStalled => _settings.Patience > 0 && _state.SinceBest >= _settings.Patience;

    private TrainingProgress Step()
    {
        var step = _state.Step + 1;
        var examples = Examples(step);
        var dropout = new DropoutKeys(
            CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Dropout), (ulong)step), _settings.Dropout,
            _settings.Dropout);
        var loss = 0.0;
        foreach (var part in MicroBatches.Split(examples, example => example.Sequence.Tokens.Count))
        {
            var batch = new SequenceBatch([.. part.Select(example => example.Sequence)]);
            var hidden = _model.Forward(_tape, batch, batch.FirstTokens, _scores, dropout);
            var output = _head.Forward(_tape, _model.Pool(_tape, hidden, _scores), dropout);
            var scale = 1f / examples.Count;
            loss += _data.IsRegression
                ? _tape.SquaredError(output, [.. part.Select(example => example.Target)], scale)
                : _tape.SoftmaxCrossEntropy(output, [.. part.Select(example => example.Label)], scale);
            _tape.Backward();
            _tape.Reset();
        }

        loss /= examples.Count;
        if (!double.IsFinite(loss))
        {
            throw new DivergedException(
                $"The loss is {loss} at step {step}. Lower the learning rate, or clip gradients.");
        }

        var learningRate = _schedule.At(step);
        _optimizer.Step(learningRate);
        _state = _state with { Step = step };
        return new(step, TotalSteps, loss, learningRate, examples.Sum(example => (long)example.Sequence.Tokens.Count));
    }

    /// <summary>The examples of a step: each epoch goes once through all of them, in an order of its own.</summary>
    private List<ClassifierExample> Examples(long step)
    {
        var (epoch, inEpoch) = Math.DivRem(step - 1, StepsPerEpoch);
        var key = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Order), (ulong)epoch);
        if (_order.Epoch != epoch)
            _order = (epoch, CounterRandom.Permutation(_data.Train.Count, key));
        var first = (int)inEpoch * _settings.BatchSize;
        var count = Math.Min(_settings.BatchSize, _data.Train.Count - first);
        return [.. _order.Order.AsSpan(first, count).ToArray().Select(i => _data.Train[i])];
    }

    private void Evaluate(BertEncoder? frozen, ITrainingObserver observer, CancellationToken cancellationToken)
    {
        var report = Evaluate(frozen, _data.Validation, cancellationToken);
        var isBest = _state.Best is not { } best || report.Metric > best.Metric;
        if (isBest)
            KeepBest();
        _state = isBest
            ? _state with { Best = report, BestStep = _state.Step, SinceBest = 0 }
            : _state with { SinceBest = _state.SinceBest + 1 };
        observer.Evaluated(_state.Step, report.ToMetrics(_data.IsRegression), isBest);
    }

    private EvaluationReport Evaluate(
        BertEncoder? frozen, IReadOnlyList<ClassifierExample> examples, CancellationToken cancellationToken)
    {
        var trained = frozen is null ? BertEncoder.Load(_backend, _model.Config, _model) : null;
        try
        {
            var encoder = frozen ?? trained!;
            using var masks =
                _scores is null ? null : BertMasks.Load(_backend, _model.Config, new CurrentMasks(_scores));
            var logits = ClassifierEvaluator.Logits(
                _backend, encoder, masks, _head.Weight.Value, _head.Bias.Value, examples, cancellationToken);
            return ClassifierEvaluator.Report(_data, logits, examples);
        }
        finally
        {
            trained?.Dispose();
        }
    }

    /// <summary>Keeps a copy of what is served if nothing better comes.</summary>
    private void KeepBest()
    {
        foreach (var masked in _scores?.Masked ?? [])
            _best[MaskBlob(masked.Name)] = _scores!.Bits(masked.Name);
        foreach (var parameter in BestParameters)
            _best[ValueBlob(parameter.Name)] = MemoryMarshal.AsBytes<float>(parameter.Value.ToArray()).ToArray();
    }

    private void RestoreBest()
    {
        foreach (var parameter in BestParameters)
        {
            if (_best.TryGetValue(ValueBlob(parameter.Name), out var bytes))
                parameter.Value.CopyFrom(MemoryMarshal.Cast<byte, float>(bytes));
        }
    }

    /// <summary>Trained parameters that are served themselves; of scores only the mask bits are.</summary>
    private IEnumerable<Parameter> BestParameters =>
        ((IEnumerable<Parameter>)[.. _model.Parameters, .. _head.Parameters]).Where(parameter => parameter.IsTrained);

    private void Save(CheckpointFolder<ClassifierState> checkpoints) => checkpoints.Save(
        _state.Step,
        _state,
        [
            .. Trained.Where(parameter => parameter.IsTrained)
                .Select(parameter => ("value of " + parameter.Name, parameter.Value)),
            .. _optimizer.State
        ],
        _best.Select(blob => (blob.Key, blob.Value)));

    private void Resume(CheckpointFolder<ClassifierState> checkpoints)
    {
        using var checkpoint = checkpoints.Open();
        if (checkpoint is null)
            return;
        foreach (var parameter in Trained.Where(parameter => parameter.IsTrained))
            checkpoint.Read("value of " + parameter.Name, parameter.Value);
        foreach (var (name, tensor) in _optimizer.State)
            checkpoint.Read(name, tensor);
        _optimizer.Steps = checkpoint.State.Step;
        _state = checkpoint.State;
        if (_state.Best is null)
            return;
        foreach (var masked in _scores?.Masked ?? [])
            _best[MaskBlob(masked.Name)] = checkpoint.ReadBytes(MaskBlob(masked.Name));
        foreach (var parameter in BestParameters)
            _best[ValueBlob(parameter.Name)] = checkpoint.ReadBytes(ValueBlob(parameter.Name));
    }

    private sealed class CurrentMasks(BertScores scores) : IMaskSource
    {
        private readonly HashSet<string> _names = [.. scores.Masked.Select(masked => masked.Name)];

        public bool HasMask(string name) => _names.Contains(name);

        public ReadOnlySpan<byte> ReadMask(string name) => scores.Bits(name);
    }
}
