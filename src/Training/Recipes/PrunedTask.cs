using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Classification;
using Serving.Training.Pruning;

namespace Serving.Training.Recipes;

/// <summary>A trained task as it is evaluated while it is pruned: one encoder, and what is kept of it.</summary>
internal sealed class PrunedTask : IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly BertEncoder _encoder;
    private readonly Tensor _weight;
    private readonly Tensor _bias;
    private readonly ClassifierData _data;
    private readonly TaskMetric _metric;

    public PrunedTask(
        TrainingBackend backend, TrainedClassifier classifier, IReadOnlyList<ClassifierExample> examples,
        TaskMetric metric)
    {
        _backend = backend;
        Classifier = classifier;
        _metric = metric;
        _data = new(classifier.Labels, examples, examples);
        Head = classifier.Pack.ReadHead(classifier.Config.Hidden);
        _encoder = BertEncoder.Load(backend, classifier.Config, classifier.Backbone, tokenizer: classifier.Tokenizer);
        _weight = backend.Allocate(Head.Bias.Length, classifier.Config.Hidden);
        _bias = backend.Allocate(1, Head.Bias.Length);
        _weight.CopyFrom(Head.Weight);
        _bias.CopyFrom(Head.Bias);
        classifier.Pack.ThrowUnlessFor(_encoder);
    }

    public TrainedClassifier Classifier { get; }

    public (float[] Weight, float[] Bias) Head { get; }

    public IReadOnlyList<ClassifierExample> Examples => _data.Validation;

    /// <summary>The metric with some masks, and without some parts.</summary>
    public double Evaluate(IMaskSource masks, PrunedParts? pruned, CancellationToken cancellationToken)
    {
        using var resident = BertMasks.Load(_backend, Classifier.Config, masks, pruned);
        var logits = ClassifierEvaluator.Logits(
            _backend, _encoder, resident, Classifier.Pooling, _weight, _bias, Examples, cancellationToken);
        var report = ClassifierEvaluator.Report(_data, logits, Examples);
        return _metric switch
        {
            TaskMetric.MacroF1 => report.MacroF1,
            TaskMetric.Matthews => report.Matthews,
            TaskMetric.Pearson => report.Pearson,
            _ => report.Accuracy
        };
    }

    /// <summary>How much each part matters, with some masks and without some parts.</summary>
    public PartImportance Importance(IMaskSource masks, PrunedParts pruned, CancellationToken cancellationToken) =>
        PartImportance.Of(
            _backend, Classifier.Config,
            new PrunedParameters(new MaskedParameters(Classifier.Backbone, masks), Classifier.Config, pruned),
            Classifier.Pooling, Head, Examples, Classifier.IsRegression, cancellationToken);

    public void Dispose()
    {
        _weight.Dispose();
        _bias.Dispose();
        _encoder.Dispose();
    }
}
