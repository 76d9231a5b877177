using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Gates of 0 at some columns: they add nothing, and learn nothing.</summary>
public static class ClearColumnsOperation
{
    /// <param name="x">[rows, features]; nothing else may use it.</param>
    /// <param name="columns">Where the columns begin, and how many there are; they do not overlap.</param>
    /// <returns>The same values, with zeros in the columns.</returns>
    public static Variable ClearColumns(this Tape tape, Variable x, IReadOnlyList<(int First, int Count)> columns) =>
        tape.Run(new Operation(x, columns));

    private sealed class Operation(Variable x, IReadOnlyList<(int First, int Count)> columns) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            Clear(tape, x.Value);
            return new(x.Value, x.NeedsGradient);
        }

        public void Backward(Tape tape, Variable output)
        {
            // As it is: nobody reads the output's gradient after this, so both may share memory.
            Clear(tape, output.Gradient);
            tape.Contribute(x, output.Gradient);
        }

        private void Clear(Tape tape, Tensor tensor)
        {
            foreach (var (first, count) in columns)
                tape.Backend.Fill(tensor.SliceColumns(first, count), 0f);
        }
    }
}
