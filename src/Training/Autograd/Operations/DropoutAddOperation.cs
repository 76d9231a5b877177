using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Residual connections: residual + dropout(x).</summary>
public static class DropoutAddOperation
{
    /// <param name="x">[rows, features]</param>
    /// <param name="residual">[rows, features]</param>
    /// <returns>[rows, features]</returns>
    public static Variable DropoutAdd(this Tape tape, Variable x, Dropout dropout, Variable residual) =>
        tape.Run(new Operation(x, dropout, residual));

    private sealed class Operation(Variable x, Dropout dropout, Variable residual) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var needsGradient = x.NeedsGradient || residual.NeedsGradient;
            var output = tape.NewVariable(x.Value.Rows, x.Value.Columns, needsGradient);
            if (dropout.Rate == 0)
                tape.Backend.Apply(Elementwise.Add, x.Value, residual.Value, output.Value);
            else
                tape.Backend.DropoutAdd(x.Value, dropout, residual.Value, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            if (x.NeedsGradient)
            {
                var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
                tape.Backend.DropoutAdd(output.Gradient, dropout, default, gradient);
                tape.Contribute(x, gradient);
            }

            // As it is: nobody reads the output's gradient after this, so both may share memory.
            if (residual.NeedsGradient)
                tape.Contribute(residual, output.Gradient);
        }
    }
}
