using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Features side by side.</summary>
public static class JoinOperation
{
    /// <param name="left">[rows, features]</param>
    /// <param name="right">[rows, other features]</param>
    /// <returns>[rows, features of both]</returns>
    public static Variable Join(this Tape tape, Variable left, Variable right) => tape.Run(new Operation(left, right));

    private sealed class Operation(Variable left, Variable right) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var (ofLeft, ofRight) = (left.Value.Columns, right.Value.Columns);
            var output = tape.NewVariable(
                left.Value.Rows, ofLeft + ofRight, left.NeedsGradient || right.NeedsGradient);
            tape.Backend.DropoutAdd(left.Value, default, default, output.Value.SliceColumns(0, ofLeft));
            tape.Backend.DropoutAdd(right.Value, default, default, output.Value.SliceColumns(ofLeft, ofRight));
            return output;
        }

        /// <remarks>As they are: nobody reads the output's gradient after this, so all may share memory.</remarks>
        public void Backward(Tape tape, Variable output)
        {
            var ofLeft = left.Value.Columns;
            if (left.NeedsGradient)
                tape.Contribute(left, output.Gradient.SliceColumns(0, ofLeft));
            if (right.NeedsGradient)
                tape.Contribute(right, output.Gradient.SliceColumns(ofLeft, right.Value.Columns));
        }
    }
}
