using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Cross-entropy of softmax, in nats.</summary>
public static class SoftmaxCrossEntropyLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="logits">[rows, classes]</param>
    /// <param name="labels">A class for each row.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / rows of the batch, for that of the mean.</param>
    /// <param name="loss">The sum of the rows' losses is added to it.</param>
    public static void SoftmaxCrossEntropy(
        this Tape tape, Variable logits, IndexBuffer labels, float scale, Scalar loss) =>
        tape.Backend.SoftmaxCrossEntropy(logits.Value, labels, scale, tape.LossGradientOf(logits), loss);

    /// <summary>The same, read at once.</summary>
    /// <returns>The sum of the rows' losses.</returns>
    public static double SoftmaxCrossEntropy(
        this Tape tape, Variable logits, ReadOnlySpan<int> labels, float scale)
    {
        var classes = tape.Indices(labels);
        return tape.Read(loss => tape.SoftmaxCrossEntropy(logits, classes, scale, loss));
    }
}
