using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Linear layers: x weightᵀ + bias, through the weight's mask if it has one.</summary>
public static class LinearOperation
{
    /// <summary>Rows that are masked at once: few, since the work grows with their square.</summary>
    private const int BlockRows = 32;

    private static readonly float[] Identity =
        [.. Enumerable.Range(0, BlockRows * BlockRows).Select(i => i % (BlockRows + 1) == 0 ? 1f : 0f)];

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

            if (weight.Scores.IsNone)
                AddWeightGradient(tape, output.Gradient);
            else if (weight.NeedsGradient)
                AddMaskedGradients(tape, output.Gradient);
            if (!bias.Gradient.IsNone)
                tape.Backend.AddRows(output.Gradient, bias.Gradient);
        }

        private void AddWeightGradient(Tape tape, Tensor outputGradient)
        {
            if (weight.Gradient.IsNone)
                return;
            tape.Multiply(
                outputGradient, x.Value, Transposed.Left, default, default, accumulate: true, weight.Gradient);
        }

        /// <summary>Both from the gradient of the masked weight: that of the weight, that of the scores.</summary>
        private void AddMaskedGradients(Tape tape, Tensor outputGradient)
        {
            var ofMasked = tape.Rent(weight.Value.Rows, weight.Value.Columns);
            tape.Multiply(outputGradient, x.Value, Transposed.Left, default, default, accumulate: false, ofMasked);

            // A straight-through estimator: times the weight, whether its bit is 1 or 0.
            if (!weight.ScoresGradient.IsNone)
                tape.Backend.Apply(Elementwise.AddProduct, ofMasked, weight.Value, weight.ScoresGradient);
            if (!weight.Gradient.IsNone)
                AddKept(tape, ofMasked);
        }

        /// <summary>Adds what the mask keeps, by products with an identity matrix, which read the rest as 0.</summary>
        private void AddKept(Tape tape, Tensor ofMasked)
        {
            var identity = tape.Rent(BlockRows, BlockRows);
            identity.CopyFrom(Identity);
            for (var first = 0; first < ofMasked.Rows; first += BlockRows)
            {
                var count = Math.Min(BlockRows, ofMasked.Rows - first);
                tape.Backend.Multiply(
                    identity.Slice(0, count).SliceColumns(0, count),
                    ofMasked.Slice(first, count),
                    Transposed.Neither,
                    new(weight.Scores.Slice(first, count), weight.Threshold),
                    bias: default,
                    accumulate: true,
                    weight.Gradient.Slice(first, count));
            }
        }
    }
}
