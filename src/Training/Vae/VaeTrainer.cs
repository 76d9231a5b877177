using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Checkpoints;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;

namespace Serving.Training.Vae;

/// <summary>
/// Trains a variational autoencoder of texts, with a weight of the divergence that goes its way (Fu et al. 2019), and
/// aggressively or not (He et al. 2019).
/// </summary>
/// <remarks>
/// A step depends only on the seed, the step's number and what a checkpoint holds, so training that resumes ends with
/// the same bits. The state with the lowest loss, its divergence whole, is what comes out.
/// </remarks>
internal sealed class VaeTrainer : IDisposable
{
    private readonly VaeLearner _learner;
    private readonly VaeEvaluator _evaluator;
    private readonly VaeSettings _settings;
    private readonly TrainingLoop<Sentence, Metrics, VaeState> _loop;

    /// <param name="model">Where training begins; the trainer owns it.</param>
    /// <param name="sentences">What is learned from.</param>
    /// <param name="heldOut">What is judged by.</param>
    /// <param name="records">Where steps are noted; null for nowhere.</param>
    /// <param name="describe">What some of the texts are, for people.</param>
    public VaeTrainer(
        TrainingBackend backend,
        VaeModel model,
        IReadOnlyList<Sentence> sentences,
        IReadOnlyList<Sentence> heldOut,
        VaeSettings settings,
        StepRecords? records,
        TimeProvider time,
        Func<IEnumerable<int>, string> describe)
    {
        settings.Validate();
        _settings = settings;
        model.TrainAll();
        var tape = new Tape(backend);
        var order = new DataOrder(sentences.Count, settings.BatchSize, dropsIncomplete: false, settings.Seed);
        var steps = (long)settings.Epochs * order.StepsPerEpoch;
        _evaluator = new(tape, model, heldOut, settings.Seed);
        _learner = new(backend, model, sentences, _evaluator, tape, settings, steps, records, describe);
        _loop = new(tape, _learner, new()
        {
            Steps = steps,
            Order = order,
            LearningRate = settings.Rate(steps),
            Adam = settings.Adam,
            Dropout = settings.Dropout,
            EvaluationInterval =
                settings.EvaluationInterval > 0 ? settings.EvaluationInterval : order.StepsPerEpoch,
            Patience = settings.Patience,
            CheckpointInterval = settings.CheckpointInterval,
            Seed = settings.Seed
        }, time);
    }

    public VaeModel Model => _learner.Model;

    /// <summary>Trains to the end, from the last checkpoint if there is one.</summary>
    /// <param name="checkpoints">Null for none.</param>
    /// <returns>How many steps were done, and what the best state reaches.</returns>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public (long Steps, Metrics Metrics) Run(
        ITrainingObserver observer, CheckpointFolder<VaeState>? checkpoints, CancellationToken cancellationToken)
    {
        _loop.Run(observer, checkpoints, cancellationToken);
        var metrics = new Dictionary<string, double>(_loop.State.Best!, StringComparer.Ordinal);
        if (_settings.ImportanceDraws > 0)
        {
            foreach (var (name, value) in _evaluator.RunImportance(_settings.ImportanceDraws, cancellationToken))
                metrics[name] = value;
        }

        return (_loop.State.Step, metrics);
    }

    public void Dispose()
    {
        _loop.Dispose();
        _learner.Dispose();
    }
}
