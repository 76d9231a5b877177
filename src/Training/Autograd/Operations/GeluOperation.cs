using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Gaussian error linear units, by the error function (Hendrycks and Gimpel 2016).</summary>
public static class GeluOperation
{
    /// <param name="x">[rows, features]</param>
    /// <returns>[rows, features]</returns>
    public static Variable Gelu(this Tape tape, Variable x) => tape.Run(new Operation(x));

    private sealed class Operation(Variable x) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariableLike(x);
            tape.Backend.Apply(Elementwise.Gelu, x.Value, default, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
            tape.Backend.Apply(Elementwise.GeluGradient, x.Value, output.Gradient, gradient);
            tape.Contribute(x, gradient);
        }
    }
}
