using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Tests.Autograd;

/// <summary>The tape with an operation that it does not know.</summary>
public sealed class TapeTests : IDisposable
{
    private readonly TrainingBackend _backend = Small.Backend();

    /// <summary>Loss ((w·x)² - 1)², whose gradient is 2 ((w·x)² - 1) 2 (w·x) x.</summary>
    [Fact]
    public void Run_AnOperationOfSomeoneElse_HasItsGradient()
    {
        using var tape = new Tape(_backend);
        using var weight = Weight();

        var loss = tape.SquaredError(Square(tape, Product(tape, weight)), [1f], scale: 1);
        tape.Backward();

        Assert.Equal(9, loss); // w·x = -2
        Assert.Equal([-48f, -72f], weight.Gradient.ToArray());
    }

    /// <summary>The same with 2 (w·x)², whose two halves are one variable: its gradient is the sum of both.</summary>
    [Fact]
    public void Backward_VariableThatIsUsedTwice_GetsBothGradients()
    {
        using var tape = new Tape(_backend);
        using var weight = Weight();

        var square = Square(tape, Product(tape, weight));
        tape.SquaredError(tape.DropoutAdd(square, default, square), [1f], scale: 1);
        tape.Backward();

        Assert.Equal([-224f, -336f], weight.Gradient.ToArray()); // 2 (8 - 1) 2 2 (-2) x
    }

    [Fact]
    public void Backward_NothingTrained_RunsNothing()
    {
        using var tape = new Tape(_backend);
        using var frozen = new Parameter("w", _backend.Allocate(1, 2), decays: true);

        var square = new SquareOperation(Product(tape, frozen));
        tape.SquaredError(tape.Run(square), [1f], scale: 1);
        tape.Backward();

        Assert.False(square.RanBackward);
    }

    [Fact]
    public void Loss_OfAVariableThatHasOne_IsRefused()
    {
        using var tape = new Tape(_backend);
        using var weight = Weight();
        var product = Product(tape, weight);
        tape.SquaredError(product, [1f], scale: 1);
        var refused = Assert.Throws<InvalidOperationException>(() => tape.SquaredError(product, [1f], scale: 1));
        Assert.Equal("The variable has a gradient already; give it one loss.", refused.Message);
    }

    public void Dispose() => _backend.Dispose();

    private static Variable Square(Tape tape, Variable x) => tape.Run(new SquareOperation(x));

    private Parameter Weight()
    {
        var weight = new Parameter("w", _backend.Allocate(1, 2), decays: true);
        weight.Value.CopyFrom([0.5f, -1f]);
        weight.Train(_backend);
        return weight;
    }

    /// <summary>w·x for x = (2, 3).</summary>
    private Variable Product(Tape tape, Parameter weight)
    {
        var x = tape.NewVariable(1, 2, needsGradient: false);
        x.Value.CopyFrom([2f, 3f]);
        var bias = tape.Rent(1, 1);
        _backend.Fill(bias, 0f);
        return tape.Linear(x, new(weight.Value, weight.Gradient), new(bias));
    }

    private sealed class SquareOperation(Variable x) : IOperation
    {
        public bool RanBackward { get; private set; }

        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariableLike(x);
            tape.Backend.Fill(output.Value, 0f);
            tape.Backend.Apply(Elementwise.AddProduct, x.Value, x.Value, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            RanBackward = true;
            var gradient = tape.Rent(x.Value.Rows, x.Value.Columns);
            tape.Backend.Fill(gradient, 0f);
            tape.Backend.Apply(Elementwise.AddProduct, x.Value, output.Gradient, gradient);
            tape.Backend.Apply(Elementwise.AddProduct, x.Value, output.Gradient, gradient);
            tape.Contribute(x, gradient);
        }
    }
}
