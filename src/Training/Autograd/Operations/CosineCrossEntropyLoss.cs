using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>
/// Cross-entropy of cosines with all right rows, see <see cref="TrainingBackend.CosineCrossEntropy"/>.
/// </summary>
public static class CosineCrossEntropyLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="x">[rows, features]</param>
    /// <param name="left">Rows, each with its partner at the same place of `right`.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / left rows of the step, for that of the mean.</param>
    /// <param name="loss">The sum over the left rows is added to it.</param>
    /// <param name="found">How many find their partner is added to it.</param>
    public static void CosineCrossEntropy(
        this Tape tape, Variable x, ReadOnlySpan<int> left, ReadOnlySpan<int> right, float scale, Scalar loss,
        Scalar found) => tape.Backend.CosineCrossEntropy(
            x.Value, tape.Indices(left), tape.Indices(right), scale, tape.LossGradientOf(x), loss, found);
}
