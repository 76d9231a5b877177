namespace Serving.Training.Autograd;

/// <summary>A differentiable function that a <see cref="Tape"/> runs; it holds its own inputs.</summary>
/// <remarks>
/// An operation is one file: this, and an extension method of <see cref="Tape"/> that passes it to
/// <see cref="Tape.Run"/>.
/// </remarks>
public interface IOperation
{
    /// <summary>Computes the output, in memory of the tape's. Called once.</summary>
    Variable Forward(Tape tape);

    /// <summary>Adds to the gradients of inputs and parameters that need one.</summary>
    /// <remarks>Called at most once, after all that used the output, and only if the output has a gradient.</remarks>
    /// <param name="output">What <see cref="Forward"/> returned, now with its gradient.</param>
    void Backward(Tape tape, Variable output);
}
