using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Text;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Optimization;

namespace Serving.Training.Pretraining;

/// <summary>What a pretraining checkpoint knows beside its tensors.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Loss">Of the last evaluation, in nats for each hidden token; null before the first.</param>
/// <param name="Accuracy">Of the last evaluation: the part of hidden tokens that are found.</param>
/// <param name="Elapsed">Time spent training.</param>
public sealed record PretrainingState(long Step, double? Loss, double? Accuracy, TimeSpan Elapsed = default);

/// <summary>Learns a backbone by masked language modelling (Devlin et al. 2019).</summary>
/// <remarks>
/// Which tokens are hidden changes with each epoch. What happens in a step follows from the seed and the step's number, so
/// that training which goes on from a checkpoint ends with the same bits; with a budget of time, on the clock, too.
/// </remarks>
public sealed class PretrainingTrainer : IDisposable
{
    private const ulong OrderPurpose = 1;
    private const ulong DropoutPurpose = 2;
    private const ulong HeadPurpose = 3;
    private const ulong HidingPurpose = 5;

    private readonly TrainingBackend _backend;
    private readonly PretrainingSettings _settings;
    private readonly Corpus _corpus;
    private readonly TokenMasker _masker;
    private readonly List<MaskedSequence> _heldOut;
    private readonly MaskedLanguageHead _head;
    private readonly AdamOptimizer _optimizer;
    private readonly Tape _tape;
    private readonly LearningRateSchedule _schedule;
    private readonly BudgetSchedule? _budget;
    private readonly TimeProvider _time;
    private long _mark;
    private PretrainingState _state = new(0, null, null);
    private (long Epoch, int[] Order) _order = (-1, []);

    /// <param name="weights">Where it begins, see <see cref="InitialBertWeights"/>.</param>
    /// <param name="heldOut">What it is judged by.</param>
    /// <param name="time">By which a budget is kept.</param>
    /// <exception cref="ArgumentException">A setting is out of range.</exception>
    public PretrainingTrainer(
        TrainingBackend backend,
        BertConfig config,
        IBertWeights weights,
        Vocabulary vocabulary,
        Corpus corpus,
        Corpus heldOut,
        PretrainingSettings settings,
        TimeProvider? time = null)
    {
        settings.Validate();
        _time = time ?? TimeProvider.System;
        _mark = _time.GetTimestamp();
        _backend = backend;
        _settings = settings;
        _corpus = corpus;
        _masker = new(vocabulary);
        var hiding = CounterRandom.Key(0, HidingPurpose); // The same for every job, so that losses compare.
        _heldOut = [.. Enumerable.Range(0, heldOut.Sequences).Select(i => _masker.Hide(heldOut.Span(i), CounterRandom.Bits(hiding, (ulong)i)))];
        Model = BertModel.Load(backend, config, weights);
        Model.TrainAll();
        _head = new(backend, Model, CounterRandom.Key(settings.Seed, HeadPurpose), settings.InitialDeviation);
        _optimizer = new(backend, Trained, settings.Adam);
        _tape = new(backend);
        _budget = settings.Budget is { } budget ? new(settings.LearningRate, budget, settings.WarmUp) : null;
        _schedule = new(settings.LearningRate, settings.Decay, (long)Math.Round(settings.WarmUp * settings.Steps), settings.Steps);
    }

    public BertModel Model { get; }

    public PretrainingState State => _state;

    private int BatchesPerEpoch => Math.Max(1, _corpus.Sequences / _settings.BatchSize);

    private IEnumerable<Parameter> Trained => [.. Model.Parameters, .. _head.Parameters];

    /// <summary>Trains to the end, from the last checkpoint if there is one.</summary>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Within a step of being asked.</exception>
    public PretrainingState Run(
        ITrainingObserver observer, CheckpointFolder<PretrainingState>? checkpoints, CancellationToken cancellationToken)
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
            if (checkpoints is not null && _settings.CheckpointInterval > 0 && _state.Step % _settings.CheckpointInterval == 0)
                Save(checkpoints);
        }

        return _state;
    }

    public void Dispose()
    {
        _tape.Dispose();
        _optimizer.Dispose();
        _head.Dispose();
        Model.Dispose();
    }

    private bool IsOver => _state.Step >= _settings.Steps || _state.Elapsed >= _settings.Budget;

    /// <summary>Adds what has gone by since it was last asked.</summary>
    private TimeSpan Elapsed()
    {
        var now = _time.GetTimestamp();
        var elapsed = _state.Elapsed + _time.GetElapsedTime(_mark, now);
        _mark = now;
        return elapsed;
    }

    /// <summary>How many steps there will be: at the speed so far, where time decides.</summary>
    private long TotalSteps(long step, TimeSpan elapsed) => _settings.Budget is { } budget && elapsed > TimeSpan.Zero
        ? Math.Clamp((long)(step * (budget / elapsed)), step, _settings.Steps)
        : _settings.Steps;

    private TrainingProgress Step()
    {
        var step = _state.Step + 1;
        var sequences = Sequences(step);
        var dropout = new DropoutKeys(
            CounterRandom.Bits(CounterRandom.Key(_settings.Seed, DropoutPurpose), (ulong)step), _settings.Dropout, _settings.Dropout);
        var hidden = sequences.Sum(sequence => sequence.Positions.Length);
        var loss = 0.0;
        foreach (var part in MicroBatches.Split(sequences, sequence => sequence.Sequence.Tokens.Count))
        {
            var (logits, labels) = Forward(part, dropout);
            loss += _tape.SoftmaxCrossEntropy(logits, labels, 1f / hidden); // The mean over all hidden tokens of the step.
            _tape.Backward();
            _tape.Reset();
        }

        loss /= hidden;
        if (!double.IsFinite(loss))
            throw new DivergedException($"The loss is {loss} at step {step}. Lower the learning rate, or clip gradients.");
        var learningRate = _budget?.At(_state.Elapsed) ?? _schedule.At(step);
        _optimizer.Step(learningRate);
        _state = _state with { Step = step, Elapsed = Elapsed() };
        return new(step, TotalSteps(step, _state.Elapsed), loss, learningRate, sequences.Sum(sequence => (long)sequence.Sequence.Tokens.Count));
    }

    private (Variable Logits, int[] Labels) Forward(List<MaskedSequence> sequences, DropoutKeys dropout)
    {
        var batch = new SequenceBatch([.. sequences.Select(sequence => sequence.Sequence)]);
        var rows = new List<int>();
        var offsets = new int[sequences.Count + 1];
        for (var i = 0; i < sequences.Count; i++)
        {
            foreach (var position in sequences[i].Positions)
                rows.Add(batch.Offsets[i] + position);
            offsets[i + 1] = rows.Count;
        }

        var hidden = Model.Forward(_tape, batch, new([.. rows], offsets), masks: null, dropout);
        return (_head.Forward(_tape, hidden), [.. sequences.SelectMany(sequence => sequence.Labels)]);
    }

    /// <summary>The sequences of a step: each epoch goes once through the corpus, in an order of its own, less an incomplete batch.</summary>
    private List<MaskedSequence> Sequences(long step)
    {
        var (epoch, inEpoch) = Math.DivRem(step - 1, BatchesPerEpoch);
        if (_order.Epoch != epoch)
        {
            var key = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, OrderPurpose), (ulong)epoch);
            _order = (epoch, CounterRandom.Permutation(_corpus.Sequences, key));
        }

        var hiding = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, HidingPurpose), (ulong)epoch);
        var first = (int)inEpoch * _settings.BatchSize;
        var count = Math.Min(_settings.BatchSize, _corpus.Sequences - first);
        var sequences = new List<MaskedSequence>(count);
        foreach (var sequence in _order.Order.AsSpan(first, count))
            sequences.Add(_masker.Hide(_corpus.Span(sequence), CounterRandom.Bits(hiding, (ulong)sequence)));
        return sequences;
    }

    private void Evaluate(ITrainingObserver observer, CancellationToken cancellationToken)
    {
        var (loss, right, count) = (0.0, 0, 0);
        foreach (var part in MicroBatches.Split(_heldOut, sequence => sequence.Sequence.Tokens.Count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (logits, labels) = Forward(part, DropoutKeys.Off);
            var predicted = logits.Value.ToArray();
            for (var i = 0; i < labels.Length; i++)
            {
                if (Largest(predicted.AsSpan(i * Model.Config.Vocab, Model.Config.Vocab)) == labels[i])
                    right++;
            }

            loss += _tape.SoftmaxCrossEntropy(logits, labels, 0f);
            count += labels.Length;
            _tape.Reset(); // Not run backward.
        }

        _state = _state with { Loss = loss / count, Accuracy = (double)right / count };
        if (_state.Elapsed > _settings.GiveUpAfter && _state.Loss > _settings.GiveUpLoss)
        {
            throw new DivergedException(FormattableString.Invariant(
                $"After {_state.Elapsed:c} the loss is {_state.Loss:F3}, still above {_settings.GiveUpLoss}. Change the learning rate or the batch size."));
        }

        observer.Evaluated(
            _state.Step,
            new Dictionary<string, double>(StringComparer.Ordinal) { ["loss"] = loss / count, ["masked_accuracy"] = (double)right / count },
            isBest: true);
    }

    private static int Largest(ReadOnlySpan<float> values)
    {
        var largest = 0;
        for (var i = 1; i < values.Length; i++)
        {
            if (values[i] > values[largest])
                largest = i;
        }

        return largest;
    }

    private void Save(CheckpointFolder<PretrainingState> checkpoints) => checkpoints.Save(
        _state.Step, _state, [.. Trained.Select(parameter => ("value of " + parameter.Name, parameter.Value)), .. _optimizer.State], []);

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
    }
}
