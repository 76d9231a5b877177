using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Means over the rows of spans.</summary>
public static class MeanRowsOperation
{
    /// <param name="x">[any, features]</param>
    /// <param name="spans">Where each begins and, next to it, its end; none is empty.</param>
    /// <returns>[spans, features]</returns>
    public static Variable MeanRows(this Tape tape, Variable x, IndexBuffer spans) => tape.Run(new Operation(x, spans));

    private sealed class Operation(Variable x, IndexBuffer spans) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariable(spans.Values.Length / 2, x.Value.Columns, x.NeedsGradient);
            tape.Backend.MeanRows(x.Value, spans, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var gradient = tape.GradientOf(x, out var accumulate);
            if (!accumulate)
                tape.Backend.Fill(gradient, 0f);
            tape.Backend.MeanRowsGradient(output.Gradient, spans, gradient);
        }
    }
}
