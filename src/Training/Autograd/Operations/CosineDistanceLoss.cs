using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Distance of pairs of rows by their cosines, see <see cref="TrainingBackend.CosineDistance"/>.</summary>
public static class CosineDistanceLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="x">[rows, features]</param>
    /// <param name="left">Rows, each to be near that at the same place of `right`.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / pairs of the step, for that of the mean.</param>
    /// <param name="loss">The sum of losses is added to it.</param>
    /// <param name="cosines">The sum of cosines is added to it.</param>
    public static void CosineDistance(
        this Tape tape, Variable x, ReadOnlySpan<int> left, ReadOnlySpan<int> right, float scale, Scalar loss,
        Scalar cosines) => tape.Backend.CosineDistance(
            x.Value, tape.Indices(left), tape.Indices(right), scale, tape.LossGradientOf(x), loss, cosines);
}
