using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Linear layers: x weightᵀ + bias, through the weight's mask if it has one.</summary>
public static class LinearOperation
{
    /// <param name="x">[rows, inFeatures]</param>
    /// <param name="weight">[outFeatures, inFeatures]</param>
    /// <param name="bias">[1, outFeatures]</param>
    /// <returns>[rows, outFeatures]</returns>
    public static Variable Linear(this Tape tape, Variable x, Weight weight, Vector bias) =>
        tape.Run(new Operation(x, weight, bias));

    private sealed class Operation(Variable x, Weight weight, Vector bias) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var needsGradient = x.NeedsGradient || weight.NeedsGradient || !bias.Gradient.IsNone;
            var output = tape.NewVariable(x.Value.Rows, weight.Value.Rows, needsGradient);
            tape.Multiply(
                x.Value, weight.Value, Transposed.Right, weight.Selection, bias.Value, accumulate: false, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            if (x.NeedsGradient)
            {
                var gradient = tape.GradientOf(x, out var accumulate);
                tape.Multiply(
                    output.Gradient, weight.Value, Transposed.Neither, weight.Selection, default, accumulate, gradient);
            }

            if (!weight.Gradient.IsNone)
            {
                tape.Multiply(
                    output.Gradient, x.Value, Transposed.Left, default, default, accumulate: true, weight.Gradient);
            }

            if (!weight.ScoresGradient.IsNone)
                AddScoresGradient(tape, output.Gradient);
            if (!bias.Gradient.IsNone)
                tape.Backend.AddRows(output.Gradient, bias.Gradient);
        }

        private void AddScoresGradient(Tape tape, Tensor outputGradient)
        {
            // A straight-through estimator: the masked weight's gradient times the weight, whether its bit is 1 or 0.
            var ofWeight = tape.Rent(weight.Value.Rows, weight.Value.Columns);
            tape.Multiply(outputGradient, x.Value, Transposed.Left, default, default, accumulate: false, ofWeight);
            tape.Backend.Apply(Elementwise.AddProduct, ofWeight, weight.Value, weight.ScoresGradient);
        }
    }
}
