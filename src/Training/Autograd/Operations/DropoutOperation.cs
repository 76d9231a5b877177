using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Drops some elements and scales the others up (Srivastava et al. 2014).</summary>
public static class DropoutOperation
{
    /// <param name="x">[rows, features]</param>
    /// <returns>[rows, features]; x itself where nothing is dropped.</returns>
    public static Variable Dropout(this Tape tape, Variable x, Dropout dropout) =>
        dropout.Rate == 0 ? x : tape.Run(new Operation(x, dropout));

    private sealed class Operation(Variable x, Dropout dropout) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariableLike(x);
            tape.Backend.DropoutAdd(x.Value, dropout, default, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
            tape.Backend.DropoutAdd(output.Gradient, dropout, default, gradient);
            tape.Contribute(x, gradient);
        }
    }
}
