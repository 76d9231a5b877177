using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.Classification;

/// <summary>Trains a classifier: all weights, masks over them, or the head alone.</summary>
/// <remarks>
/// A step depends only on the settings' seed and the step's number, so training that resumes from a checkpoint ends
/// with the same bits.
/// </remarks>
public sealed class ClassifierTrainer : IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly ClassifierSettings _settings;
    private readonly ClassifierLearner _learner;
    private readonly TrainingLoop<ClassifierExample, EvaluationReport, ClassifierState> _loop;

    /// <param name="start">What it begins with beside the weights; null for nothing.</param>
    /// <exception cref="ArgumentException">A setting is out of range, or the data can't be learned from.</exception>
    public ClassifierTrainer(
        TrainingBackend backend, BertConfig config, IParameterSource weights, ClassifierData data,
        ClassifierSettings settings, ClassifierStart? start = null)
    {
        start ??= new();
        settings.Validate();
        settings = settings.For(config);
        data.Validate();
        Pooling = settings.PoolingOf(config);
        if (settings.Method == TrainingMethod.Mask)
            SettingException.Within("mask", () => settings.MaskOf(config).Validate(config));
        _backend = backend;
        _settings = settings;
        var order = new DataOrder(data.Train.Count, settings.BatchSize, dropsIncomplete: false, settings.Seed);
        StepsPerEpoch = order.StepsPerEpoch;
        TotalSteps = (long)StepsPerEpoch * settings.Epochs;
        _learner = new(backend, config, weights, data, settings, start, TotalSteps);
        _loop = new(_learner.Tape, _learner, new()
        {
            Steps = TotalSteps,
            StopAfter = start.StopAfter,
            Order = order,
            LearningRate = new LearningRateSchedule(
                settings.LearningRate!.Value, settings.Decay, (long)Math.Round(settings.WarmUp * TotalSteps),
                TotalSteps),
            Adam = settings.Adam,
            Dropout = settings.Dropout,
            EvaluationInterval = settings.EvaluationInterval > 0 ? settings.EvaluationInterval : StepsPerEpoch,
            Patience = settings.Patience,
            CheckpointInterval = settings.CheckpointInterval,
            Seed = settings.Seed
        }, TimeProvider.System);
    }

    public int StepsPerEpoch { get; }

    public long TotalSteps { get; }

    /// <summary>What the head sees.</summary>
    public Pooling Pooling { get; }

    public ClassifierState State => _learner.ToCheckpoint(_loop.State);

    /// <summary>The weights: trained, or frozen under the masks.</summary>
    public BertModel Model => _learner.Model;

    /// <summary>Trains to the end, from the last checkpoint if there is one, then restores the best state.</summary>
    /// <param name="checkpoints">Null for none.</param>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    /// <exception cref="OperationCanceledException">Training was cancelled, which it is within a step.</exception>
    public ClassifierState Run(
        ITrainingObserver observer, CheckpointFolder<ClassifierState>? checkpoints, CancellationToken cancellationToken)
    {
        using var frozen =
            _settings.Method == TrainingMethod.Finetune ? null : BertEncoder.Load(_backend, Model.Config, Model);
        _learner.Frozen = frozen;
        _loop.Run(observer, checkpoints, cancellationToken);
        return State;
    }

    /// <summary>The best masks' bits, by the name of their matrix; empty if none are learned.</summary>
    public IReadOnlyDictionary<string, byte[]> Masks() => _settings.Method != TrainingMethod.Mask
        ? []
        : _learner.Scores!.Masked.ToDictionary(
            masked => masked.Name, masked => _learner.BestMask(masked.Name), StringComparer.Ordinal);

    /// <summary>The head: weight [labels, hidden] and bias [labels].</summary>
    public (float[] Weight, float[] Bias) Head() =>
        (_learner.Head.Weight.Value.ToArray(), _learner.Head.Bias.Value.ToArray());

    public void Dispose()
    {
        _loop.Dispose();
        _learner.Dispose();
    }
}
