using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Hyperbolic tangents.</summary>
public static class TanhOperation
{
    /// <param name="x">[rows, features]</param>
    /// <returns>[rows, features]</returns>
    public static Variable Tanh(this Tape tape, Variable x) => tape.Run(new Operation(x));

    private sealed class Operation(Variable x) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariableLike(x);
            tape.Backend.Apply(Elementwise.Tanh, x.Value, default, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
            tape.Backend.Apply(Elementwise.TanhGradient, output.Value, output.Gradient, gradient);
            tape.Contribute(x, gradient);
        }
    }
}
