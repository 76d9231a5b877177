using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Gaussian error linear units (Hendrycks and Gimpel 2016).</summary>
public static class GeluOperation
{
    /// <summary>By the error function.</summary>
    /// <param name="x">[rows, features]</param>
    /// <returns>[rows, features]</returns>
    public static Variable Gelu(this Tape tape, Variable x) =>
        tape.Run(new Operation(x, Elementwise.Gelu, Elementwise.GeluGradient));

    /// <summary>In their tanh form, see <see cref="Activation.GeluTanh"/>.</summary>
    /// <param name="x">[rows, features]</param>
    /// <returns>[rows, features]</returns>
    public static Variable GeluTanh(this Tape tape, Variable x) =>
        tape.Run(new Operation(x, Elementwise.GeluTanh, Elementwise.GeluTanhGradient));

    private sealed class Operation(Variable x, Elementwise function, Elementwise ofGradient) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariableLike(x);
            tape.Backend.Apply(function, x.Value, default, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
            tape.Backend.Apply(ofGradient, x.Value, output.Gradient, gradient);
            tape.Contribute(x, gradient);
        }
    }
}
