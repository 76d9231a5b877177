namespace Serving.Training.Autograd.Operations;

/// <summary>Squared error, Σ (prediction - target)².</summary>
public static class SquaredErrorLoss
{
    /// <summary>The loss, whose gradient flows back from here.</summary>
    /// <param name="predictions">[rows, 1]</param>
    /// <param name="targets">One for each row.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / rows of the batch, for that of the mean.</param>
    /// <returns>The sum of the rows' losses.</returns>
    public static double SquaredError(
        this Tape tape, Variable predictions, ReadOnlySpan<float> targets, float scale)
    {
        var values = predictions.Value.ToArray();
        var gradient = new float[values.Length];
        var sum = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            var error = values[i] - targets[i];
            sum += (double)error * error;
            gradient[i] = 2 * scale * error;
        }

        tape.LossGradientOf(predictions).CopyFrom(gradient);
        return sum;
    }
}
