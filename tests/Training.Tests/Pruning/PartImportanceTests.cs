using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors.Cpu;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

public sealed class PartImportanceTests : IDisposable
{
    private readonly CpuBackend _backend = Small.Backend();
    private readonly BertModel _model;
    private readonly (float[] Weight, float[] Bias) _head;

    public PartImportanceTests()
    {
        _model = Small.Model(_backend);
        var weight = new float[Small.Labels * Small.Config.Hidden];
        new InitialParameters(seed: 5, deviation: 0.5).Read("head", Small.Labels, Small.Config.Hidden, 0, weight);
        _head = (weight, [0.1f, -0.2f, 0f]);
    }

    /// <summary>
    /// The mean of each example's absolute derivative of its own loss, by the gate: the output weights of a head, or of
    /// a feed-forward layer with its bias, times a little more and less than 1, extrapolated (Richardson).
    /// </summary>
    [Theory]
    [InlineData(Pooling.Pooler)]
    [InlineData(Pooling.Mean)]
    public void Of_IsTheCentralDifferenceOfEachExample(Pooling pooling)
    {
        var examples = Examples(5);
        var importance = Importance(_model, pooling, examples);
        for (var layer = 0; layer < Small.Config.Layers; layer++)
        {
            for (var head = 0; head < Small.Config.Heads; head++)
                AssertClose(importance.Heads[layer][head], layer, head);
            AssertClose(importance.FeedForward[layer], layer, head: null);
        }

        void AssertClose(double found, int layer, int? head)
        {
            double[] coarse = Differences(h: 0.1), fine = Differences(h: 0.05);
            var expected = coarse.Zip(fine, (a, b) => Math.Abs(((4 * b) - a) / 3)).Average();
            Assert.InRange(found, (0.99 * expected) - 2e-4, (1.01 * expected) + 2e-4); // Measured: within 5e-5.

            double[] Differences(double h)
            {
                var (more, less) = (Losses(1 + h), Losses(1 - h));
                return [.. more.Zip(less, (a, b) => (a - b) / (2 * h))];
            }

            List<double> Losses(double gate) => this.Losses(
                new Gated(_model, layer, head, (float)gate), pooling, examples);
        }
    }

    /// <summary>In a batch, each example counts as it does alone: gradients do not cancel.</summary>
    [Fact]
    public void Of_TakesTheAbsoluteValueOfEachExample_WhateverTheBatch()
    {
        var examples = Examples(6);
        var together = Importance(_model, Pooling.Pooler, examples);
        var alone = examples.ConvertAll(example => Importance(_model, Pooling.Pooler, [example]));
        for (var layer = 0; layer < Small.Config.Layers; layer++)
        {
            for (var head = 0; head < Small.Config.Heads; head++)
            {
                Assert.Equal(
                    alone.Average(each => each.Heads[layer][head]), together.Heads[layer][head], tolerance: 1e-5);
            }

            Assert.Equal(alone.Average(each => each.FeedForward[layer]), together.FeedForward[layer], tolerance: 1e-5);
        }
    }

    [Fact]
    public void Normalized_ByHand()
    {
        // Layers (3, 4) and (0, 1) by their norms 5 and 1: 0.6, 0.8, 0, 1, which lie between 0 and 1 already.
        var normalized = new PartImportance([[3, 4], [0, 1]], [2, 6]).Normalized();
        Assert.Equal([0.6, 0.8], normalized.Heads[0].Select(each => Math.Round(each, 12)));
        Assert.Equal([0.0, 1.0], normalized.Heads[1]);
        Assert.Equal([0.0, 1.0], normalized.FeedForward);
        var equal = new PartImportance([[2], [2]], [0, 0]).Normalized();
        Assert.Equal([0.0, 0.0], equal.Heads.SelectMany(layer => layer));
        Assert.Equal([0.0, 0.0], equal.FeedForward);
    }

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    private static List<ClassifierExample> Examples(int count) =>
        Small.Examples(count, seed: 3).ConvertAll(example => new ClassifierExample(example.Sequence, example.Label));

    private PartImportance Importance(IParameterSource weights, Pooling pooling, List<ClassifierExample> examples) =>
        PartImportance.Of(
            _backend, Small.Config, weights, pooling, _head, examples, isRegression: false, CancellationToken.None);

    /// <returns>The cross-entropy of each example.</returns>
    private List<double> Losses(IParameterSource weights, Pooling pooling, List<ClassifierExample> examples)
    {
        using var encoder = BertEncoder.Load(_backend, Small.Config, weights);
        using var weight = _backend.Allocate(Small.Labels, Small.Config.Hidden);
        using var bias = _backend.Allocate(1, Small.Labels);
        weight.CopyFrom(_head.Weight);
        bias.CopyFrom(_head.Bias);
        return ClassifierEvaluator.Logits(
            _backend, encoder, masks: null, pooling, weight, bias, examples, CancellationToken.None)
            .Zip(examples, (logits, example) =>
                Math.Log(logits.Sum(logit => Math.Exp(logit))) - logits[example.Label]).ToList();
    }

    /// <summary>A gate at one part: its output weights times a number, and a feed-forward layer's bias.</summary>
    private sealed class Gated(IParameterSource weights, int layer, int? head, float gate) : IParameterSource
    {
        public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
        {
            weights.Read(name, rows, columns, firstRow, values);
            var headDim = Small.Config.Hidden / Small.Config.Heads;
            var isOutput = head is null && name.StartsWith(
                BertTensors.Module(layer, BertMatrix.Output), StringComparison.Ordinal);
            var isHeads = head is not null && name == BertTensors.Weight(layer, BertMatrix.AttentionOutput);
            for (var i = 0; i < values.Length; i++)
                values[i] *= isOutput || (isHeads && i % columns / headDim == head) ? gate : 1;
        }
    }
}
