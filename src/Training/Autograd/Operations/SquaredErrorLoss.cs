using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Squared error, Σ (prediction - target)².</summary>
public static class SquaredErrorLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="predictions">[rows, columns]</param>
    /// <param name="targets">One for each prediction, row-major.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / rows of the batch, for that of the mean.</param>
    /// <param name="loss">The sum of the losses is added to it.</param>
    public static void SquaredError(
        this Tape tape, Variable predictions, ReadOnlySpan<float> targets, float scale, Scalar loss)
    {
        var values = tape.Rent(predictions.Value.Rows, predictions.Value.Columns);
        values.CopyFrom(targets);
        tape.Backend.SquaredError(predictions.Value, values, scale, tape.LossGradientOf(predictions), loss);
    }

    /// <summary>The same, read at once.</summary>
    /// <returns>The sum of the losses.</returns>
    public static double SquaredError(this Tape tape, Variable predictions, float[] targets, float scale) =>
        tape.Read(loss => tape.SquaredError(predictions, targets, scale, loss));
}
