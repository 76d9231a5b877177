using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Layer normalization, see <see cref="TensorBackend.LayerNorm"/>.</summary>
public static class LayerNormOperation
{
    /// <param name="x">[rows, features]</param>
    /// <param name="gamma">[1, features], the scale</param>
    /// <param name="beta">[1, features], the shift</param>
    /// <returns>[rows, features]</returns>
    public static Variable LayerNorm(this Tape tape, Variable x, Vector gamma, Vector beta, float epsilon) =>
        tape.Run(new Operation(x, gamma, beta, epsilon));

    private sealed class Operation(Variable x, Vector gamma, Vector beta, float epsilon) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var needsGradient = x.NeedsGradient || !gamma.Gradient.IsNone || !beta.Gradient.IsNone;
            var output = tape.NewVariable(x.Value.Rows, x.Value.Columns, needsGradient);
            tape.Backend.LayerNorm(x.Value, gamma.Value, beta.Value, epsilon, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
            tape.Backend.LayerNormGradient(
                x.Value, gamma.Value, epsilon, output.Gradient, gamma.Gradient, beta.Gradient, gradient);
            tape.Contribute(x, gradient);
        }
    }
}
