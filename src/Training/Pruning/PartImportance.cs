using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Layers;
using Serving.Training.Loop;

namespace Serving.Training.Pruning;

/// <summary>How much heads and feed-forward layers matter: I = E |∂L/∂ξ| (Michel et al. 2019, eq. 2).</summary>
/// <remarks>
/// ξ is a gate of 1 at a head's output, or at a feed-forward layer's before the residual; each example has its own, so
/// that the absolute value is that of an example's gradient and not of a batch's mean.
/// </remarks>
/// <param name="Heads">[layers][heads], 0 or more.</param>
/// <param name="FeedForward">[layers]</param>
public sealed record PartImportance(double[][] Heads, double[] FeedForward)
{
    /// <summary>Runs examples forward and backward.</summary>
    /// <param name="weights">With zeros for what is pruned.</param>
    /// <param name="head">Weight [labels, hidden] and bias [labels].</param>
    public static PartImportance Of(
        TrainingBackend backend, BertConfig config, IParameterSource weights, Pooling pooling,
        (float[] Weight, float[] Bias) head, IReadOnlyList<ClassifierExample> examples, bool isRegression,
        CancellationToken cancellationToken)
    {
        using var model = BertModel.Load(backend, config, weights);
        using var classifier = new ClassifierHead(
            backend, head.Bias.Length, config.Hidden, seed: 0, isTrained: false);
        classifier.Weight.Value.CopyFrom(head.Weight);
        classifier.Bias.Value.CopyFrom(head.Bias);
        using var tape = new Tape(backend);
        var gates = Enumerable.Range(0, config.Layers).Select(_ => new Gates(config.Heads)).ToList();
        foreach (var part in MicroBatches.Split(examples, example => example.Sequence.Tokens.Count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var batch = new SequenceBatch([.. part.Select(example => example.Sequence)]);
            var vectors = model.Vectors(tape, batch, pooling, masks: null, DropoutKeys.Off, gates);
            var output = classifier.Forward(tape, vectors, DropoutKeys.Off);

            // The sum of the losses: the gradient of an example's gate is that of its own loss.
            tape.Read(loss =>
            {
                if (isRegression)
                {
                    tape.SquaredError(output, [.. part.Select(example => example.Target)], scale: 1, loss);
                    return;
                }

                int[] labels = [.. part.Select(example => example.Label)];
                tape.SoftmaxCrossEntropy(output, tape.Indices(labels), scale: 1, loss);
            });
            tape.Backward();
            tape.Reset();
        }

        return new(
            [.. gates.Select(gate => gate.Heads.Select(sum => sum / examples.Count).ToArray())],
            [.. gates.Select(gate => gate.FeedForward / examples.Count)]);
    }

    /// <summary>0 to 1: heads by the Euclidean norm of their layer, then by the least and largest of all.</summary>
    /// <remarks>Prasanna et al. 2020, published code. Where all are equal, all are 0.</remarks>
    public PartImportance Normalized()
    {
        double[][] byLayer = [.. Heads.Select(layer =>
        {
            var norm = Math.Sqrt(layer.Sum(importance => importance * importance)) + 1e-20;
            return layer.Select(importance => importance / norm).ToArray();
        })];
        var all = byLayer.SelectMany(layer => layer).ToList();
        return new(
            [.. byLayer.Select(layer => Scaled(layer, all.Min(), all.Max()))],
            Scaled(FeedForward, FeedForward.Min(), FeedForward.Max()));
    }

    private static double[] Scaled(double[] values, double least, double most) =>
        [.. values.Select(value => most > least ? (value - least) / (most - least) : 0)];

    /// <summary>The gates of a layer: sums of their absolute gradients.</summary>
    private sealed class Gates(int heads) : ILayerGates
    {
        public double[] Heads { get; } = new double[heads];

        public double FeedForward { get; private set; }

        Variable ILayerGates.Heads(Tape tape, Variable context, IndexBuffer spans)
        {
            var features = context.Value.Columns;
            var headDim = features / Heads.Length;
            return tape.Gate(context, spans, gradients =>
            {
                for (var first = 0; first < gradients.Length; first += headDim)
                    Heads[first % features / headDim] += Math.Abs(Sum(gradients.AsSpan(first, headDim)));
            });
        }

        Variable ILayerGates.FeedForward(Tape tape, Variable output, IndexBuffer spans)
        {
            var features = output.Value.Columns;
            return tape.Gate(output, spans, gradients =>
            {
                for (var first = 0; first < gradients.Length; first += features)
                    FeedForward += Math.Abs(Sum(gradients.AsSpan(first, features)));
            });
        }

        private static double Sum(ReadOnlySpan<float> values)
        {
            var sum = 0.0;
            foreach (var value in values)
                sum += value;
            return sum;
        }
    }
}
