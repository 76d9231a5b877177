using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.Pretraining;

/// <summary>Trains a backbone by masked language modelling (Devlin et al. 2019) and other objectives.</summary>
/// <remarks>
/// Each epoch hides other tokens. A step depends only on the seed and the step's number, so training that resumes from
/// a checkpoint ends with the same bits; with a budget of time it also depends on the clock.
/// </remarks>
public sealed class PretrainingTrainer : IDisposable
{
    private readonly PretrainingLearner _learner;
    private readonly TrainingLoop<PretrainingExample, IReadOnlyDictionary<string, double>, PretrainingState> _loop;

    /// <param name="weights">Where training begins, see <see cref="InitialParameters"/>.</param>
    /// <param name="sampler">Makes examples from the corpus.</param>
    /// <param name="heldOut">Makes examples from held-out text, for evaluations.</param>
    /// <param name="describe">What some of the corpus's documents are, for people; null for their numbers.</param>
    /// <exception cref="ArgumentException">A setting is out of range, or the corpus is too small.</exception>
    public PretrainingTrainer(
        TrainingBackend backend,
        BertConfig config,
        IParameterSource weights,
        ExampleSampler sampler,
        ExampleSampler heldOut,
        PretrainingSettings settings,
        TimeProvider? time = null,
        Func<IEnumerable<int>, string>? describe = null)
    {
        settings.Validate();
        ThrowUnlessEnough(sampler, settings);
        describe ??= documents =>
            $"documents {ItemNumbers.List(documents.Select(document => document + 1L))} of the corpus";
        _learner = new(backend, config, weights, sampler, heldOut, settings, describe);
        _loop = new(_learner.Tape, _learner, new()
        {
            Steps = settings.Steps,
            Budget = settings.Budget,
            Order = new(sampler.Spans.Count, settings.BatchSize, dropsIncomplete: true, settings.Seed),
            LearningRate = settings.Budget is { } budget
                ? new BudgetSchedule(settings.LearningRate, budget, settings.WarmUp)
                : new LearningRateSchedule(
                    settings.LearningRate, settings.Decay, (long)Math.Round(settings.WarmUp * settings.Steps),
                    settings.Steps),
            Adam = settings.Adam,
            Dropout = settings.Dropout,
            EvaluationInterval = settings.EvaluationInterval,
            CheckpointInterval = settings.CheckpointInterval,
            Seed = settings.Seed
        }, time ?? TimeProvider.System);
    }

    public BertModel Model => _learner.Model;

    public PretrainingState State => _learner.ToCheckpoint(_loop.State);

    /// <summary>Trains to the end, from the last checkpoint if there is one.</summary>
    /// <param name="checkpoints">Null for none.</param>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public PretrainingState Run(
        ITrainingObserver observer, CheckpointFolder<PretrainingState>? checkpoints,
        CancellationToken cancellationToken)
    {
        _loop.Run(observer, checkpoints, cancellationToken);
        return State;
    }

    public void Dispose()
    {
        _loop.Dispose();
        _learner.Dispose();
    }

    private static void ThrowUnlessEnough(ExampleSampler sampler, PretrainingSettings settings)
    {
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
    }
}
