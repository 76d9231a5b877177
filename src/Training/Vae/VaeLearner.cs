using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;
using Purpose = Serving.Training.RandomPurposes.Vae;

namespace Serving.Training.Vae;

/// <summary>An autoencoder as the training loop sees it: a decoder, beside which the encoder is stepped here.</summary>
internal sealed class VaeLearner : ILearner<Sentence, Metrics, VaeState>, IDisposable
{
    private readonly IReadOnlyList<Sentence> _sentences;
    private readonly VaeSettings _settings;
    private readonly ILearningRateSchedule _rate;
    private readonly long _steps;
    private readonly Func<IEnumerable<int>, string> _describe;
    private readonly VaeEvaluator _evaluator;
    private readonly VaePass _pass;
    private readonly AdamOptimizer _optimizer;
    private readonly EncoderLoop _encoderLoop;
    private readonly StepRecords? _records;
    private Step? _step;
    private bool _isAggressive;
    private double? _mutualInformation;

    /// <param name="model">Where training begins; the learner owns it.</param>
    /// <param name="steps">How many there will be.</param>
    /// <param name="records">Where steps are noted; null for nowhere.</param>
    /// <param name="describe">What some of the texts are, for people.</param>
    public VaeLearner(
        TrainingBackend backend, VaeModel model, IReadOnlyList<Sentence> sentences, VaeEvaluator evaluator, Tape tape,
        VaeSettings settings, long steps, StepRecords? records, Func<IEnumerable<int>, string> describe)
    {
        (_sentences, _settings, _steps, _records, _describe) = (sentences, settings, steps, records, describe);
        (Tape, Model, _evaluator) = (tape, model, evaluator);
        _rate = settings.Rate(steps);
        _isAggressive = settings.Aggressive;
        Best = new([.. model.Encoder, .. model.Decoder], []);
        _pass = new(tape, model, settings);
        _optimizer = new(backend, model.Encoder, settings.Adam);
        _encoderLoop = new(tape, model, _pass, sentences, _optimizer, settings);
    }

    public Tape Tape { get; }

    public VaeModel Model { get; }

    public IReadOnlyList<Parameter> Parameters => Model.Decoder;

    public BestState? Best { get; }

    public IEnumerable<(string Name, Tensor Tensor)> Others =>
        [.. Model.Encoder.Select(parameter => ("value of " + parameter.Name, parameter.Value)), .. _optimizer.State];

    public IStep<Sentence> Begin(long step, long epoch, ReadOnlySpan<int> items)
    {
        var batch = new List<Sentence>(items.Length);
        foreach (var item in items)
            batch.Add(_sentences[item]);
        var key = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Steps), (ulong)step);
        var weight = _settings.Kl.Weight(step, _steps);
        var ofEncoder = _isAggressive ? _encoderLoop.Run(batch, key, weight, Rate(step)) : 0;
        return _step = new(_pass, batch, key, weight, ofEncoder);
    }

    public string Describe(IReadOnlyList<int> items) => _describe(items.Order());

    public int Tokens(Sentence example) => example.Count;

    /// <summary>The encoder's part of a step; none while it has a loop of its own.</summary>
    public void Penalize(long step)
    {
        if (_isAggressive)
        {
            foreach (var parameter in Model.Encoder)
                Tape.Backend.Fill(parameter.Gradient, 0f);
        }
        else
        {
            _optimizer.Step(Rate(step));
        }

        _records?.Write(step, _step!.Record);
    }

    public Evaluation<Metrics> Evaluate(RunState<Metrics> state, CancellationToken cancellationToken)
    {
        var metrics = new Dictionary<string, double>(
            _evaluator.Run(cancellationToken), StringComparer.Ordinal)
        {
            ["kl_weight"] = _settings.Kl.Weight(state.Step, _steps)
        };
        if (_isAggressive)
        {
            var information = metrics[VaeEvaluator.MutualInformation];
            _isAggressive = _mutualInformation is not { } before || information >= before;
            _mutualInformation = information;
        }

        return new(metrics, metrics, VaeEvaluator.Score(metrics));
    }

    /// <summary>The steps before it are on the disk then, so that a run that resumes finds them.</summary>
    public VaeState ToCheckpoint(RunState<Metrics> state)
    {
        _records?.Flush();
        return new()
        {
            Step = state.Step,
            Last = state.Last,
            Best = state.Best,
            BestStep = state.BestStep,
            SinceBest = state.SinceBest,
            EncoderSteps = _optimizer.Steps,
            IsAggressive = _isAggressive,
            MutualInformation = _mutualInformation
        };
    }

    public RunState<Metrics> Resume(VaeState checkpoint)
    {
        _optimizer.Steps = checkpoint.EncoderSteps;
        _isAggressive = checkpoint.IsAggressive;
        _mutualInformation = checkpoint.MutualInformation;
        return checkpoint.ToRun();
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        Tape.Dispose();
        Model.Dispose();
    }

    private float Rate(long step) => _rate.At(step, TimeSpan.Zero);

    /// <summary>Reconstruction and weighted divergence of a step's texts.</summary>
    private sealed class Step(
        VaePass pass, IReadOnlyList<Sentence> batch, ulong key, double weight, int ofEncoder) : IStep<Sentence>
    {
        private VaeSums _sums;
        private int _done;

        public IReadOnlyList<Sentence> Examples => batch;

        public double Loss => (_sums.Reconstruction + (weight * _sums.Divergence)) / batch.Count;

        public StepRecords.Record Record =>
            new(weight, _sums.Reconstruction / batch.Count, _sums.Divergence / batch.Count, ofEncoder);

        public void Forward(IReadOnlyList<Sentence> part, DropoutKeys dropout)
        {
            _sums = _sums.Plus(pass.Forward(part, _done, key, weight, 1f / batch.Count, dropout));
            _done += part.Count;
        }
    }
}
