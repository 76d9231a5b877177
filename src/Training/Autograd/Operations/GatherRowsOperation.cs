using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Some rows of a variable.</summary>
public static class GatherRowsOperation
{
    /// <param name="x">[any, features]</param>
    /// <param name="rows">In any order; rows may repeat.</param>
    /// <returns>[rows, features]</returns>
    public static Variable GatherRows(this Tape tape, Variable x, IndexBuffer rows) => tape.Run(new Operation(x, rows));

    private sealed class Operation(Variable x, IndexBuffer rows) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariable(rows.Values.Length, x.Value.Columns, x.NeedsGradient);
            tape.Backend.GatherRows(x.Value, rows, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.GradientOf(x, out var accumulate);
            if (!accumulate)
                tape.Backend.Fill(gradient, 0f);
            tape.Backend.ScatterAddRows(output.Gradient, rows, gradient);
        }
    }
}
