using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Purpose = Serving.Training.RandomPurposes.Classifier;

namespace Serving.Training.Classification;

/// <summary>A classifier as the training loop sees it.</summary>
internal sealed class ClassifierLearner : ILearner<ClassifierExample, EvaluationReport, ClassifierState>, IDisposable
{
    private readonly ClassifierData _data;
    private readonly ScalarBuffer _loss;
    private readonly Pooling _pooling;
    private readonly SparsityController? _sparsity;
    private readonly PrunedParts? _pruned;
    private readonly IReadOnlyList<ILayerGates>? _gates;

    /// <param name="settings">With the rates of this backbone.</param>
    /// <param name="start">Its masks are for a method that trains weights.</param>
    /// <param name="steps">Of the whole training.</param>
    public ClassifierLearner(
        TrainingBackend backend, BertConfig config, IParameterSource weights, ClassifierData data,
        ClassifierSettings settings, ClassifierStart start, long steps)
    {
        _data = data;
        _pooling = settings.PoolingOf(config);
        _pruned = start.Pruned;
        _gates = _pruned is null ? null : ClosedGates.Of(config, _pruned);
        _loss = backend.AllocateScalars(1);
        Tape = new(backend);
        Model = BertModel.Load(backend, config, weights);
        var isFrozen = settings is { Method: TrainingMethod.Mask, TrainsHead: false };
        Head = new(
            backend, data.Outputs, config.Hidden, CounterRandom.Key(settings.Seed, Purpose.Head), isTrained: !isFrozen);
        if (start.Head is { } head)
        {
            Head.Weight.Value.CopyFrom(head.Weight);
            Head.Bias.Value.CopyFrom(head.Bias);
        }

        foreach (var parameter in Head.Parameters)
            parameter.LearningRateScale = settings.HeadLearningRate!.Value / settings.LearningRate!.Value;
        if (settings.Method == TrainingMethod.Mask)
        {
            Scores = BertScores.Create(
                backend, Model, settings.MaskOf(config), CounterRandom.Key(settings.Seed, Purpose.Mask));
            Scores.TrainAll();
            if (settings.Mask.FinalSparsity is not null)
                _sparsity = new(backend, Scores, settings.Mask, steps);
        }
        else if (start.Masks is { } masks)
        {
            Scores = BertScores.Of(backend, Model, masks);
        }

        if (settings.Method == TrainingMethod.Finetune)
            Model.TrainAll(_pooling);
        // Scores are not served themselves, their bits are.
        Best = new(
            [.. Model.Parameters, .. Head.Parameters],
            Scores?.Masked.Select(masked => (MaskBlob(masked.Name), (Func<byte[]>)(() => Scores.Bits(masked.Name))))
            ?? []);
    }

    public Tape Tape { get; }

    public BertModel Model { get; }

    public ClassifierHead Head { get; }

    /// <summary>Those of masks that are learned, or that stay as they are; null without masks.</summary>
    public BertScores? Scores { get; }

    /// <summary>Evaluates while the backbone is frozen; null where it is trained, and read anew each time.</summary>
    public BertEncoder? Frozen { get; set; }

    public BestState Best { get; }

    public IReadOnlyList<Parameter> Parameters =>
        [.. Model.Parameters, .. Scores?.Parameters ?? [], .. Head.Parameters];

    public IStep<ClassifierExample> Begin(long step, long epoch, ReadOnlySpan<int> items)
    {
        var examples = new List<ClassifierExample>(items.Length);
        foreach (var item in items)
            examples.Add(_data.Train[item]);
        return new Step(this, examples);
    }

    public string Describe(IReadOnlyList<int> items) => _data.Describe(items);

    public int Tokens(ClassifierExample example) => example.Sequence.Tokens.Count;

    public void Penalize(long step) => _sparsity?.Apply(step);

    public Evaluation<EvaluationReport> Evaluate(
        RunState<EvaluationReport> state, CancellationToken cancellationToken)
    {
        var trained = Frozen is null ? BertEncoder.Load(Tape.Backend, Model.Config, Model) : null;
        try
        {
            using var masks = Scores is null && _pruned is null
                ? null
                : BertMasks.Load(Tape.Backend, Model.Config, Scores, _pruned);
            var logits = ClassifierEvaluator.Logits(
                Tape.Backend, Frozen ?? trained!, masks, _pooling, Head.Weight.Value, Head.Bias.Value,
                _data.Validation, cancellationToken);
            var report = ClassifierEvaluator.Report(_data, logits, _data.Validation);
            var metrics = new Dictionary<string, double>(
                report.ToMetrics(_data.IsRegression), StringComparer.Ordinal);
            if (Scores is not null)
                metrics["sparsity"] = Scores.Sparsity();
            // A state whose sparsity is still on its way is not what was asked for.
            var isCompared = _sparsity is null || _sparsity.HasArrived(state.Step);
            return new(report, metrics, isCompared ? report.Metric : null, report.Loss) { Warning = Warning(report) };
        }
        finally
        {
            trained?.Dispose();
        }
    }

    public ClassifierState ToCheckpoint(RunState<EvaluationReport> state) => new()
    {
        Step = state.Step,
        BestStep = state.BestStep,
        Best = state.Best,
        SinceBest = state.SinceBest,
        Sparsity = _sparsity?.State
    };

    public RunState<EvaluationReport> Resume(ClassifierState checkpoint)
    {
        if (_sparsity is not null && checkpoint.Sparsity is { } sparsity)
            _sparsity.State = sparsity;
        return new()
        {
            Step = checkpoint.Step,
            BestStep = checkpoint.BestStep,
            Best = checkpoint.Best,
            BestScore = checkpoint.Best?.Metric ?? 0,
            BestLoss = checkpoint.Best?.Loss,
            SinceBest = checkpoint.SinceBest
        };
    }

    /// <summary>The best state's bits of a masked matrix.</summary>
    public byte[] BestMask(string name) => Best[MaskBlob(name)];

    public void Dispose()
    {
        Tape.Dispose();
        _loss.Dispose();
        _sparsity?.Dispose();
        Scores?.Dispose();
        Head.Dispose();
        Model.Dispose();
    }

    private string? Warning(EvaluationReport report) => report.OnlyPrediction is { } only
        ? $"All {report.Examples} rows that are judged by are taken for '{_data.Labels[only]}'. If that stays so, "
            + "nothing is learned that tells them apart: lower the learning rate, or learn for longer."
        : null;

    private static string MaskBlob(string name) => "best mask of " + name;

    private sealed class Step : IStep<ClassifierExample>
    {
        private readonly ClassifierLearner _learner;
        private double? _sum;

        public Step(ClassifierLearner learner, List<ClassifierExample> examples)
        {
            (_learner, Examples) = (learner, examples);
            learner._loss.Clear();
        }

        public IReadOnlyList<ClassifierExample> Examples { get; }

        public double Loss => (_sum ??= ReadSum()) / Examples.Count;

        public void Forward(IReadOnlyList<ClassifierExample> part, DropoutKeys dropout)
        {
            var (tape, model, scores) = (_learner.Tape, _learner.Model, _learner.Scores);
            _sum = null;
            var batch = new SequenceBatch([.. part.Select(example => example.Sequence)]);
            var vectors = model.Vectors(
                tape, batch, _learner._pooling, scores, dropout, _learner._gates);
            var output = _learner.Head.Forward(tape, vectors, dropout);
            var (scale, loss) = (1f / Examples.Count, _learner._loss[0]);
            if (_learner._data.IsRegression)
                tape.SquaredError(output, [.. part.Select(example => example.Target)], scale, loss);
            else
                tape.SoftmaxCrossEntropy(
                    output, tape.Indices([.. part.Select(example => example.Label)]), scale, loss);
        }

        private double ReadSum()
        {
            var sum = 0.0;
            _learner._loss.Read(new Span<double>(ref sum));
            return sum;
        }
    }
}
