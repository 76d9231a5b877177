using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Purpose = Serving.Training.RandomPurposes.Curve;

namespace Serving.Training.Analysis;

/// <summary>A classifier at one end of a path: effective weights, and its head.</summary>
/// <param name="HeadWeight">[labels, hidden]</param>
public sealed record PathEnd(IParameterSource Weights, float[] HeadWeight, float[] HeadBias);

/// <summary>A network on a path.</summary>
/// <param name="T">0 at the first end, 1 at the second.</param>
/// <param name="Loss">Mean cross-entropy in nats.</param>
/// <param name="Accuracy">0 to 1.</param>
public sealed record PathPoint(double T, double Loss, double Accuracy);

/// <summary>How the curve is learned.</summary>
/// <param name="Steps">With 0 steps θ stays in the middle of the line, and the curve is the line.</param>
public sealed record BendSettings(int Steps, int BatchSize, float LearningRate, ulong Seed);

/// <summary>
/// Paths between two classifiers in the space of all weights, heads included (Garipov et al. 2018; Zhao et al. 2020,
/// sec. 6).
/// </summary>
/// <remarks>
/// The line is (1-t) A + t B; the curve is the quadratic Bézier (1-t)² A + 2t(1-t) θ + t² B, whose θ is learned at
/// points t drawn from 0 to 1.
/// </remarks>
public sealed class ModeConnectivity : IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly Pooling _pooling;
    private readonly BertModel _model;
    private readonly ClassifierHead _head;
    private readonly List<Parameter> _parameters;
    private readonly float[][] _first;
    private readonly float[][] _second;
    private float[][]? _bend;

    /// <param name="config">Of both ends.</param>
    /// <param name="pooling">What the heads of both see.</param>
    public ModeConnectivity(
        TrainingBackend backend, BertConfig config, Pooling pooling, PathEnd first, PathEnd second)
    {
        _backend = backend;
        _pooling = pooling;
        _model = BertModel.Load(backend, config, second.Weights);
        _head = new(backend, second.HeadBias.Length, config.Hidden, seed: 0, isTrained: true);
        _parameters = [.. _model.Parameters, .. _head.Parameters];
        _second = Values(second);
        using (var model = BertModel.Load(backend, config, first.Weights))
        {
            _first =
                [.. model.Parameters.Select(parameter => parameter.Value.ToArray()), first.HeadWeight, first.HeadBias];
        }
    }

    /// <summary>Learns the curve's θ, from the middle of the line on.</summary>
    /// <param name="examples">At least one.</param>
    /// <param name="describe">What some of them are, for people.</param>
    /// <exception cref="DivergedException">A loss or gradient is no finite number.</exception>
    public void Bend(
        IReadOnlyList<ClassifierExample> examples, BendSettings settings, ITrainingObserver observer,
        Func<IReadOnlyList<int>, string> describe, CancellationToken cancellationToken)
    {
        _bend = Blend(_first, _second, 0.5f, 0.5f);
        _model.TrainAll(_pooling);
        using var optimizer = new AdamOptimizer(_backend, _parameters, new());
        using var tape = new Tape(_backend);
        var points = CounterRandom.Key(settings.Seed, Purpose.Point);
        var order = CounterRandom.Key(settings.Seed, Purpose.Order);
        var losses = new LossHistory();
        for (var step = 1; step <= settings.Steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var t = (float)CounterRandom.Uniform(points, (ulong)step);
            var first = (ulong)step * (ulong)settings.BatchSize;
            var items = Enumerable.Range(0, settings.BatchSize)
                .Select(i => (int)(CounterRandom.Uniform(order, first + (ulong)i) * examples.Count))
                .ToList();
            var chosen = items.ConvertAll(item => examples[item]);
            Place(At(t));
            var loss = 0.0;
            foreach (var part in MicroBatches.Split(chosen, example => example.Sequence.Tokens.Count))
            {
                var batch = new SequenceBatch([.. part.Select(example => example.Sequence)]);
                var vectors = _model.Vectors(tape, batch, _pooling, masks: null, DropoutKeys.Off);
                var logits = _head.Forward(tape, vectors, DropoutKeys.Off);

                // The chain rule: dL/dθ = 2t(1-t) dL/dw.
                loss += tape.SoftmaxCrossEntropy(
                    logits, [.. part.Select(example => example.Label)], 2 * t * (1 - t) / chosen.Count);
                tape.Backward();
                tape.Reset();
            }

            loss /= chosen.Count;
            if (!double.IsFinite(loss))
                throw Diverged($"The loss is {loss} at step {step}.");
            Place(_bend);
            try
            {
                optimizer.Step(settings.LearningRate);
            }
            catch (DivergedException exception)
            {
                throw Diverged(exception.Message);
            }

            losses.Add(loss);
            _bend = [.. _parameters.Select(parameter => parameter.Value.ToArray())];
            observer.Stepped(new(
                step, settings.Steps, loss, settings.LearningRate,
                chosen.Sum(example => (long)example.Sequence.Tokens.Count)));

            DivergedException Diverged(string what) => new(
                new StepDiagnosis(_backend, _parameters, describe(items)).OfDivergence(what, step, losses.Recent));
        }
    }

    /// <summary>Losses and accuracies along the line, or along the curve once there is one.</summary>
    /// <param name="count">Points, ends included: at least 2.</param>
    public List<PathPoint> Scan(
        IReadOnlyList<ClassifierExample> examples, int count, CancellationToken cancellationToken)
    {
        var points = new List<PathPoint>();
        for (var i = 0; i < count; i++)
        {
            var t = i / (float)(count - 1);
            Place(At(t));
            using var encoder = BertEncoder.Load(_backend, _model.Config, _model);
            var logits = ClassifierEvaluator.Logits(
                _backend, encoder, masks: null, _pooling, _head.Weight.Value, _head.Bias.Value, examples,
                cancellationToken);
            var report = EvaluationReport.OfLabels(logits, [.. examples.Select(example => example.Label)]);
            points.Add(new(t, report.Loss, report.Accuracy));
        }

        return points;
    }

    /// <summary>
    /// How far the loss rises above the line between its ends: the largest L(t) - ((1-t) L(0) + t L(1)).
    /// </summary>
    public static double Barrier(IReadOnlyList<PathPoint> path) =>
        path.Max(point => point.Loss - (((1 - point.T) * path[0].Loss) + (point.T * path[^1].Loss)));

    /// <summary>How far accuracy falls below the line between its ends.</summary>
    public static double AccuracyDrop(IReadOnlyList<PathPoint> path) =>
        path.Max(point => ((1 - point.T) * path[0].Accuracy) + (point.T * path[^1].Accuracy) - point.Accuracy);

    public void Dispose()
    {
        _head.Dispose();
        _model.Dispose();
    }

    private float[][] Values(PathEnd end) =>
        [.. _model.Parameters.Select(parameter => parameter.Value.ToArray()), end.HeadWeight, end.HeadBias];

    /// <summary>The weights at a point of the path.</summary>
    private float[][] At(float t)
    {
        if (_bend is null)
            return Blend(_first, _second, 1 - t, t);
        var ends = Blend(_first, _second, (1 - t) * (1 - t), t * t);
        return Blend(ends, _bend, 1, 2 * t * (1 - t));
    }

    private void Place(float[][] values)
    {
        for (var i = 0; i < values.Length; i++)
            _parameters[i].Value.CopyFrom(values[i]);
    }

    private static float[][] Blend(float[][] a, float[][] b, float ofA, float ofB) =>
        [.. a.Zip(b, (x, y) => x.Zip(y, (p, q) => (ofA * p) + (ofB * q)).ToArray())];
}
