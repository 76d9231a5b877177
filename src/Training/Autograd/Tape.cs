using Serving.Tensors;

namespace Serving.Training.Autograd;

/// <summary>Runs operations and records their backward pass (reverse-mode differentiation, Griewank 1989).</summary>
/// <remarks>
/// One step: operations, a loss, <see cref="Backward"/>, <see cref="Reset"/>. Gradients of parameters add up until the
/// optimizer uses them. What depends on nothing that is trained is not run backward.
/// </remarks>
public sealed class Tape(TrainingBackend backend) : IDisposable
{
    private readonly TensorArena _arena = backend.CreateArena();
    private readonly ScalarBuffer _sum = backend.AllocateScalars(1);
    private readonly List<(IOperation Operation, Variable Output)> _record = [];

    /// <summary>The device that operations run on.</summary>
    public TrainingBackend Backend => backend;

    /// <summary>Floating-point operations of matrix products since the tape was made, forward and backward.</summary>
    public long FloatingPointOperations { get; private set; }

    /// <summary>Runs an operation forward, and records it if its output needs a gradient.</summary>
    public Variable Run(IOperation operation)
    {
        var output = operation.Forward(this);
        if (output.NeedsGradient)
            _record.Add((operation, output));
        return output;
    }

    /// <summary>Runs backward from the losses; adds to the gradients of parameters.</summary>
    public void Backward()
    {
        for (var i = _record.Count - 1; i >= 0; i--)
        {
            var (operation, output) = _record[i];
            if (!output.Gradient.IsNone)
                operation.Backward(this, output);
        }
    }

    /// <summary>Ends the step; its variables become invalid.</summary>
    public void Reset()
    {
        _record.Clear();
        _arena.Reset();
    }

    public void Dispose()
    {
        _arena.Dispose();
        _sum.Dispose();
    }

    /// <summary>Memory until the step ends; it holds whatever was there before.</summary>
    public Tensor Rent(int rows, int columns) => _arena.Rent(rows, columns);

    /// <summary>Whole numbers on the device until the step ends.</summary>
    public IndexBuffer Indices(ReadOnlySpan<int> values) => _arena.RentIndices(values);

    /// <summary>Tokens on the device until the step ends.</summary>
    public IndexBuffer Tokens(ReadOnlySpan<TokenIds> ids) => _arena.RentTokens(ids);

    /// <summary>What an operation adds to a sum that is 0, read at once.</summary>
    public double Read(Action<Scalar> operation)
    {
        _sum.Clear();
        operation(_sum[0]);
        var sum = 0.0;
        _sum.Read(new Span<double>(ref sum));
        return sum;
    }

    /// <summary>A variable for an operation to write.</summary>
    /// <param name="needsGradient">Whether it depends on anything that is trained.</param>
    public Variable NewVariable(int rows, int columns, bool needsGradient) => new(Rent(rows, columns), needsGradient);

    /// <summary>A variable of the shape of another, the only one that it depends on.</summary>
    public Variable NewVariableLike(Variable x) => NewVariable(x.Value.Rows, x.Value.Columns, x.NeedsGradient);

    /// <summary>Where a variable's gradient goes, for operations that can add to it themselves.</summary>
    /// <param name="accumulate">Whether others have contributed to it; otherwise it holds nothing yet.</param>
    public Tensor GradientOf(Variable x, out bool accumulate)
    {
        accumulate = !x.Gradient.IsNone;
        if (!accumulate)
            x.Gradient = Rent(x.Value.Rows, x.Value.Columns);
        return x.Gradient;
    }

    /// <summary>Adds a gradient to what others have contributed to a variable's.</summary>
    /// <param name="gradient">
    /// Shaped like the variable. The first one becomes the variable's own, to which others are added: the caller must
    /// not use it any more.
    /// </param>
    public void Contribute(Variable x, Tensor gradient)
    {
        if (x.Gradient.IsNone)
            x.Gradient = gradient;
        else
            backend.Apply(Elementwise.Add, gradient, x.Gradient, x.Gradient);
    }

    /// <summary>Where a loss writes the gradient of what it is computed from.</summary>
    /// <exception cref="InvalidOperationException">The variable has one already.</exception>
    public Tensor LossGradientOf(Variable x)
    {
        var gradient = GradientOf(x, out var accumulate);
        return accumulate
            ? throw new InvalidOperationException("The variable has a gradient already; give it one loss.")
            : gradient;
    }

    /// <summary>See <see cref="TrainingBackend.Multiply"/>; counts the work.</summary>
    public void Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, bool accumulate, Tensor output)
    {
        backend.Multiply(a, b, transposed, selection, bias, accumulate, output);
        var terms = transposed == Transposed.Left ? a.Rows : a.Columns;
        Count(2L * output.Rows * output.Columns * terms);
    }

    /// <summary>Counts work of matrix products.</summary>
    public void Count(long floatingPointOperations) => FloatingPointOperations += floatingPointOperations;
}
