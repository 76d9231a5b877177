using Serving.Models.Bert;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Tests.Bert;

/// <summary>Training without parts is training with zeros behind them, but those learn nothing.</summary>
public sealed class ClosedGatesTests : IDisposable
{
    private readonly CpuBackend _backend = Small.Backend();

    [Fact]
    public void Gradients_AreThoseOfZerosBehindTheParts_AndPartsLearnNothing()
    {
        var pruned = new PrunedParts([[0, 2], [0, 1, 2], []], [1, 2]);
        using var model = Small.Model(_backend);
        using var smaller = BertModel.Load(_backend, Small.Config, new PrunedParameters(model, Small.Config, pruned));
        Assert.Equal(
            Step(smaller, gates: null), Step(model, ClosedGates.Of(Small.Config, pruned)));
        foreach (var (name, rows, columns) in model.Tensors())
        {
            var (found, expected) = (Gradient(model, name, rows, columns), Gradient(smaller, name, rows, columns));
            var isLeftOut = pruned.FeedForward.Any(layer => name.StartsWith(
                BertTensors.Module(layer, BertMatrix.Output) + ".", StringComparison.Ordinal));
            if (isLeftOut || name == BertTensors.Weight(1, BertMatrix.AttentionOutput))
                Assert.All(found, each => Assert.Equal(0, each));
            else if (name == BertTensors.Weight(0, BertMatrix.AttentionOutput))
                AssertLeftOut(found, columns);
            else
                Assert.True(expected.SequenceEqual(found), name);
        }
    }

    /// <summary>Of three heads of 8 columns the first and the last.</summary>
    private static void AssertLeftOut(float[] gradient, int columns)
    {
        for (var i = 0; i < gradient.Length; i++)
            Assert.Equal(i % columns / 8 == 1, gradient[i] != 0);
    }

    public void Dispose() => _backend.Dispose();

    private double Step(BertModel model, IReadOnlyList<ILayerGates>? gates)
    {
        model.TrainAll();
        using var head = new ClassifierHead(_backend, Small.Labels, Small.Config.Hidden, seed: 5, isTrained: true);
        using var tape = new Tape(_backend);
        var examples = Small.Examples(6, seed: 2);
        var batch = new SequenceBatch([.. examples.Select(example => example.Sequence)]);
        var vectors = model.Vectors(tape, batch, Pooling.Pooler, masks: null, DropoutKeys.Off, gates);
        var logits = head.Forward(tape, vectors, DropoutKeys.Off);
        var loss = tape.SoftmaxCrossEntropy(logits, [.. examples.Select(example => example.Label)], scale: 1f);
        tape.Backward();
        tape.Reset();
        return loss;
    }

    private static float[] Gradient(BertModel model, string name, int rows, int columns)
    {
        var (parameter, first, _) = model.Find(name);
        return (rows == 1 && parameter.Value.Rows == 1
            ? parameter.Gradient.SliceColumns(first, columns)
            : parameter.Gradient.Slice(first, rows)).ToArray();
    }
}
