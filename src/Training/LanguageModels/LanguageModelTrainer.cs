using Serving.Tensors;
using Serving.Training.Checkpoints;
using Serving.Training.Decoders;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;

namespace Serving.Training.LanguageModels;

/// <summary>
/// Trains a language model to predict the next token (Radford et al. 2019, sec. 2), and not to repeat itself (Welleck
/// et al. 2020).
/// </summary>
/// <remarks>
/// A step depends only on the seed and the step's number, so training that resumes from a checkpoint ends with the same
/// bits. The state with the lowest held-out loss is what comes out; with unlikelihood, which has other aims, the last.
/// </remarks>
public sealed class LanguageModelTrainer : IDisposable
{
    private readonly LanguageModelLearner _learner;
    private readonly TrainingLoop<TokenWindow, Metrics, LanguageModelState> _loop;

    /// <param name="model">Where training begins; the trainer owns it.</param>
    /// <param name="windows">What is learned from; sequences no longer than the model's positions.</param>
    /// <param name="heldOut">What is judged by.</param>
    /// <param name="describe">What some of the documents are, for people; null for their numbers.</param>
    /// <exception cref="ArgumentException">A setting is out of range.</exception>
    public LanguageModelTrainer(
        TrainingBackend backend,
        DecoderModel model,
        TokenWindows windows,
        TokenWindows heldOut,
        LanguageModelSettings settings,
        TimeProvider? time = null,
        Func<IEnumerable<int>, string>? describe = null)
    {
        settings.Validate();
        describe ??= documents => $"documents {ItemNumbers.List(documents.Select(document => document + 1L))}";
        _learner = new(backend, model, windows, heldOut, settings, describe);
        var order = new DataOrder(windows.Count, settings.BatchSize, dropsIncomplete: false, settings.Seed);
        var steps = (long)settings.Epochs * order.StepsPerEpoch;
        _loop = new(_learner.Tape, _learner, new()
        {
            Steps = steps,
            Order = order,
            LearningRate = new LearningRateSchedule(
                settings.LearningRate, Decay.Linear, (long)Math.Round(settings.WarmUp * steps), steps),
            Adam = settings.Adam,
            Dropout = settings.Dropout,
            EvaluationInterval =
                settings.EvaluationInterval > 0 ? settings.EvaluationInterval : order.StepsPerEpoch,
            Patience = settings.Patience,
            CheckpointInterval = settings.CheckpointInterval,
            Seed = settings.Seed
        }, time ?? TimeProvider.System);
    }

    public DecoderModel Model => _learner.Model;

    /// <summary>Trains to the end, from the last checkpoint if there is one.</summary>
    /// <param name="checkpoints">Null for none.</param>
    /// <returns>The state; the model is the best one, if states are compared.</returns>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public LanguageModelState Run(
        ITrainingObserver observer, CheckpointFolder<LanguageModelState>? checkpoints,
        CancellationToken cancellationToken)
    {
        _loop.Run(observer, checkpoints, cancellationToken);
        return LanguageModelState.Of(_loop.State);
    }

    public void Dispose()
    {
        _loop.Dispose();
        _learner.Dispose();
    }
}
