using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Checkpoints;
using Serving.Training.Layers;
using Serving.Training.Optimization;
using Purpose = Serving.Training.RandomPurposes.Loop;

namespace Serving.Training.Loop;

/// <summary>Trains step by step: data order, micro-batches, evaluations, checkpoints, the best state.</summary>
/// <remarks>
/// A step depends only on the seed and the step's number, so a run that resumes from a checkpoint ends with the same
/// bits; with a budget of time it also depends on the clock.
/// </remarks>
internal sealed class TrainingLoop<TExample, TReport, TState> : IDisposable
    where TReport : class
    where TState : class
{
    private readonly ILearner<TExample, TReport, TState> _learner;
    private readonly LoopSettings _settings;
    private readonly Tape _tape;
    private readonly AdamOptimizer _optimizer;
    private readonly TimeProvider _time;
    private readonly LossHistory _losses = new();
    private long _mark;

    /// <param name="tape">What the learner runs forward on.</param>
    public TrainingLoop(
        Tape tape, ILearner<TExample, TReport, TState> learner, LoopSettings settings, TimeProvider time)
    {
        _learner = learner;
        _settings = settings;
        _tape = tape;
        _time = time;
        _optimizer = new(tape.Backend, learner.Parameters, settings.Adam);
    }

    public RunState<TReport> State { get; private set; } = new();

    private bool IsOver => State.Step >= (_settings.StopAfter ?? _settings.Steps) || State.Elapsed >= _settings.Budget
        || (_settings.Patience > 0 && State.SinceBest >= _settings.Patience);

    private IEnumerable<Parameter> Trained => _learner.Parameters.Where(parameter => parameter.IsTrained);

    /// <summary>Trains to the end, from the last checkpoint if there is one, then restores the best state.</summary>
    /// <param name="checkpoints">Null for none.</param>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public void Run(
        ITrainingObserver observer, CheckpointFolder<TState>? checkpoints, CancellationToken cancellationToken)
    {
        if (checkpoints is not null)
            Resume(checkpoints);
        _mark = _time.GetTimestamp();
        while (!IsOver)
        {
            cancellationToken.ThrowIfCancellationRequested();
            observer.Stepped(Step(observer));
            if (IsDue(_settings.EvaluationInterval) || IsOver)
                Evaluate(observer, cancellationToken);
            if (checkpoints is not null && IsDue(_settings.CheckpointInterval))
                Save(checkpoints);
        }

        _learner.Best?.Restore();
    }

    public void Dispose() => _optimizer.Dispose();

    private bool IsDue(int interval) => interval > 0 && State.Step % interval == 0;

    private TrainingProgress Step(ITrainingObserver observer)
    {
        var number = State.Step + 1;
        var items = _settings.Order.Of(number, out var epoch);
        var step = _learner.Begin(number, epoch, items);
        var key = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Dropout), (ulong)number);
        var dropout = new DropoutKeys(key, _settings.Dropout, _settings.Dropout);
        foreach (var part in MicroBatches.Split(step.Examples, _learner.Tokens))
        {
            step.Forward(part, dropout);
            _tape.Backward();
            _tape.Reset();
        }

        if (!double.IsFinite(step.Loss))
            throw Diverged(FormattableString.Invariant($"The loss is {step.Loss} at step {number}."), number);
        if (_losses.IsJump(step.Loss, out var usual))
            observer.Warned(number, Diagnosis(number).OfJump(step.Loss, usual, number));
        var learningRate = _settings.LearningRate.At(number, State.Elapsed);
        try
        {
            _learner.Penalize(number);
            _optimizer.Step(learningRate);
        }
        catch (DivergedException exception)
        {
            throw Diverged(exception.Message, number);
        }

        _losses.Add(step.Loss);
        State = State with { Step = number, Elapsed = Elapsed() };
        var tokens = step.Examples.Sum(example => (long)_learner.Tokens(example));
        return new(number, TotalSteps(), step.Loss, learningRate, tokens);
    }

    private StepDiagnosis Diagnosis(long step) => new(
        _tape.Backend, _learner.Parameters, _learner.Describe(_settings.Order.Of(step, out _).ToArray()));

    private DivergedException Diverged(string what, long step) =>
        new(Diagnosis(step).OfDivergence(what, step, _losses.Recent));

    /// <summary>The time spent training, up to now.</summary>
    private TimeSpan Elapsed()
    {
        var now = _time.GetTimestamp();
        var elapsed = State.Elapsed + _time.GetElapsedTime(_mark, now);
        _mark = now;
        return elapsed;
    }

    /// <summary>How many steps there will be; with a budget of time, at the speed so far.</summary>
    private long TotalSteps() => _settings.Budget is { } budget && State.Elapsed > TimeSpan.Zero
        ? Math.Clamp((long)(State.Step * (budget / State.Elapsed)), State.Step, _settings.Steps)
        : _settings.Steps;

    private void Evaluate(ITrainingObserver observer, CancellationToken cancellationToken)
    {
        var evaluation = _learner.Evaluate(State, cancellationToken);
        State = State.After(evaluation, out var isBest);
        if (isBest)
            _learner.Best?.Keep();
        observer.Evaluated(State.Step, evaluation.Metrics, isBest);
        if (evaluation.Warning is { } warning)
            observer.Warned(State.Step, warning);
    }

    private void Save(CheckpointFolder<TState> checkpoints) => checkpoints.Save(
        State.Step,
        _learner.ToCheckpoint(State),
        [
            .. Trained.Select(parameter => (ValueOf(parameter), parameter.Value)), .. _optimizer.State,
            .. _learner.Others
        ],
        _learner.Best?.Blobs ?? []);

    private void Resume(CheckpointFolder<TState> checkpoints)
    {
        using var checkpoint = checkpoints.Open();
        if (checkpoint is null)
            return;
        foreach (var parameter in Trained)
            checkpoint.Read(ValueOf(parameter), parameter.Value);
        foreach (var (name, tensor) in _optimizer.State.Concat(_learner.Others))
            checkpoint.Read(name, tensor);
        State = _learner.Resume(checkpoint.State);
        _optimizer.Steps = State.Step;
        if (State.Best is not null)
            _learner.Best?.Read(checkpoint);
    }

    private static string ValueOf(Parameter parameter) => "value of " + parameter.Name;
}
