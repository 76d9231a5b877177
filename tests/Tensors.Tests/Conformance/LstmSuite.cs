namespace Serving.Tensors.Tests.Conformance;

/// <summary>Long short-term memory through time, against its formula in double, and backward.</summary>
public abstract class LstmSuite<TBackends>
    where TBackends : ITestBackends
{
    private const int Hidden = 21;
    private const int Sequences = 3;
    private static readonly int[] Steps = [0, 3, 6, 8, 9, 10]; // Sequences of 5, 3 and 2 tokens.

    public static TheoryData<string> Names => [.. TBackends.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Lstm_OfRaggedSequences_IsTheFormula(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var run = new Run(backend);
        Derivative.AssertClose(run.Formula(), run.Forward(), Tolerance.Operation);
    }

    /// <summary>e^x of 200 is beyond float.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Lstm_HugeGates_Saturate(string name)
    {
        using var backend = TBackends.Create(name);
        using var gates = Values.Tensor(backend, 2, 4, 200, 200, 200, 200, -200, -200, -200, -200);
        using var zero = backend.Allocate(4, 1);
        using var recurrent = backend.PackWeight([zero]);
        using var steps = Values.Indices(backend, 0, 2);
        using var cells = backend.Allocate(2, 1);
        using var output = backend.Allocate(2, 1);

        backend.Lstm(gates, recurrent, steps, default, default, cells, output);

        Assert.Equal([1, 1, 1, 1, 0, 0, -1, 0], gates.ToArray().Select(value => Math.Round(value, 6)));
        Assert.Equal(Math.Tanh(1), output.ToArray()[0], 1e-6);
        Assert.Equal(0, output.ToArray()[1], 1e-6);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void LstmGradient_OfRaggedSequences_MatchesTheDerivative(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var run = new Run(backend);
        run.Forward();
        var weights = Values.Random(Steps[^1] * Hidden, seed: 9);

        var (ofGates, ofState, ofCell) = run.Backward(weights);

        Derivative.AssertClose(
            Derivative.Of(gates => run.Formula(gates: gates), run.Gates, weights), ofGates, 1e-5);
        Derivative.AssertClose(
            Derivative.Of(state => run.Formula(state: state), run.State, weights), ofState, 1e-5);
        Derivative.AssertClose(
            Derivative.Of(cell => run.Formula(cell: cell), run.Cell, weights), ofCell, 1e-5);
        Assert.Equal(Values.Bits(ofGates), Values.Bits(run.BackwardInPlace(weights)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Lstm_ASequenceAlone_AndCutInTwo_HasTheBitsOfTheWhole(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var run = new Run(backend);
        var whole = run.Forward();
        int[] rows = [0, 3, 6, 8, 9]; // Of the longest.
        float[] expected = [.. rows.SelectMany(row => whole[(row * Hidden)..((row + 1) * Hidden)])];
        foreach (var first in (int[])[5, 2])
        {
            Values.AssertSame(
                backend, Determinism.BatchInvariant, expected, run.FirstAlone(rows, first), Tolerance.Operation);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Lstm_OperandsThatDoNotFit_SayWhatIsNeeded(string name)
    {
        using var backend = TBackends.Create(name);
        using var gates = backend.Allocate(3, 8);
        using var weight = backend.Allocate(8, 2);
        using var recurrent = backend.PackWeight([weight]);
        using var state = backend.Allocate(2, 2);
        using var output = backend.Allocate(3, 2);
        using var steps = Values.Indices(backend, 0, 2, 3);
        using var rising = Values.Indices(backend, 0, 1, 3);

        Assert.Equal(
            "Lstm: step 1 has 2 sequences; at least 1, and no more than the one before, are needed.",
            Refusal(() => backend.Lstm(gates, recurrent, rising, default, default, output, output)));
        Assert.Equal(
            "Lstm: of hidden state and cell state one is missing; both or none are needed.",
            Refusal(() => backend.Lstm(gates, recurrent, steps, state, default, output, output)));
        Assert.Equal(
            "Lstm: a state is [3, 2]; [2, 2] is needed.",
            Refusal(() => backend.Lstm(gates, recurrent, steps, output, output, output, output)));
        Assert.Equal(
            "Lstm: the gates are [3, 2], the recurrent weight [8, 2]; for [3, 2], [3, 8] and [8, 2] are needed.",
            Refusal(() => backend.Lstm(output, recurrent, steps, state, state, output, output)));
        Assert.Equal(
            "LstmGradient: the gradient of a state is missing; both are needed.",
            Refusal(() => backend.LstmGradient(
                gates, weight, steps, state, output, output, gates, state, default)));

        static string Refusal(Action operation) => Assert.Throws<ShapeException>(operation).Message;
    }

    /// <summary>Operands, and the operation on them.</summary>
    private sealed class Run : IDisposable
    {
        private readonly TrainingBackend _backend;
        private readonly Tensor _gates;
        private readonly Tensor _recurrent;
        private readonly PackedWeight _packed;
        private readonly Tensor _state;
        private readonly Tensor _cell;
        private readonly Tensor _cells;
        private readonly Tensor _output;
        private readonly IndexBuffer _steps;

        public Run(TrainingBackend backend)
        {
            _backend = backend;
            _gates = Values.Tensor(backend, Steps[^1], 4 * Hidden, Gates);
            _recurrent = Values.Tensor(backend, 4 * Hidden, Hidden, Recurrent);
            _packed = backend.PackWeight([_recurrent]);
            _state = Values.Tensor(backend, Sequences, Hidden, State);
            _cell = Values.Tensor(backend, Sequences, Hidden, Cell);
            _cells = backend.Allocate(Steps[^1], Hidden);
            _output = backend.Allocate(Steps[^1], Hidden);
            _steps = Values.Indices(backend, Steps);
        }

        public float[] Gates { get; } = [.. Values.Random(Steps[^1] * 4 * Hidden, 1).Select(value => 2 * value)];

        public float[] Recurrent { get; } = Values.Random(4 * Hidden * Hidden, 2);

        public float[] State { get; } = Values.Random(Sequences * Hidden, 3);

        public float[] Cell { get; } = Values.Random(Sequences * Hidden, 4);

        public float[] Forward()
        {
            _backend.Lstm(_gates, _packed, _steps, _state, _cell, _cells, _output);
            return _output.ToArray();
        }

        public (float[] Gates, float[] State, float[] Cell) Backward(float[] outputGradient)
        {
            using var gradient = Values.Tensor(_backend, Steps[^1], Hidden, outputGradient);
            using var gates = _backend.Allocate(Steps[^1], 4 * Hidden);
            using var state = Values.Tensor(_backend, Sequences, Hidden, Cell); // Overwritten.
            using var cell = Values.Tensor(_backend, Sequences, Hidden, Cell);
            _backend.LstmGradient(_gates, _recurrent, _steps, _cell, _cells, gradient, gates, state, cell);
            return (gates.ToArray(), state.ToArray(), cell.ToArray());
        }

        public float[] BackwardInPlace(float[] outputGradient)
        {
            using var gradient = Values.Tensor(_backend, Steps[^1], Hidden, outputGradient);
            using var state = _backend.Allocate(Sequences, Hidden);
            using var cell = _backend.Allocate(Sequences, Hidden);
            _backend.LstmGradient(_gates, _recurrent, _steps, _cell, _cells, gradient, _gates, state, cell);
            return _gates.ToArray();
        }

        /// <summary>The first sequence by itself, in two calls unless the first has all of it.</summary>
        public float[] FirstAlone(int[] rows, int first)
        {
            var all = new List<float>();
            var (state, cell) = (State[..Hidden], Cell[..Hidden]);
            foreach (var part in (int[][])[rows[..first], rows[first..]])
            {
                if (part.Length == 0)
                    continue;
                using var gates = Values.Tensor(_backend, part.Length, 4 * Hidden, [.. part.SelectMany(
                    row => Gates[(row * 4 * Hidden)..((row + 1) * 4 * Hidden)])]);
                using var steps = Values.Indices(_backend, [.. Enumerable.Range(0, part.Length + 1)]);
                using var before = Values.Tensor(_backend, 1, Hidden, state);
                using var cellBefore = Values.Tensor(_backend, 1, Hidden, cell);
                using var cells = _backend.Allocate(part.Length, Hidden);
                using var output = _backend.Allocate(part.Length, Hidden);
                _backend.Lstm(gates, _packed, steps, before, cellBefore, cells, output);
                all.AddRange(output.ToArray());
                (state, cell) = (output.ToArray()[^Hidden..], cells.ToArray()[^Hidden..]);
            }

            return [.. all];
        }

        /// <summary>h of all rows, in double.</summary>
        /// <param name="gates">Null for those that there are; so with the others.</param>
        public double[] Formula(double[]? gates = null, double[]? state = null, double[]? cell = null)
        {
            gates ??= Doubles(Gates);
            state ??= Doubles(State);
            cell ??= Doubles(Cell);
            var output = new double[Steps[^1] * Hidden];
            var cells = new double[output.Length];
            for (var step = 0; step < Steps.Length - 1; step++)
            {
                for (var row = Steps[step]; row < Steps[step + 1]; row++)
                {
                    var sequence = row - Steps[step];
                    var before = step == 0 ? sequence : Steps[step - 1] + sequence;
                    double H(int j) => step == 0 ? state[(before * Hidden) + j] : output[(before * Hidden) + j];
                    double C(int j) => step == 0 ? cell[(before * Hidden) + j] : cells[(before * Hidden) + j];
                    double Gate(int gate, int j) => gates[(row * 4 * Hidden) + (gate * Hidden) + j]
                        + Enumerable.Range(0, Hidden).Sum(
                            k => Recurrent[(((gate * Hidden) + j) * Hidden) + k] * H(k));
                    for (var j = 0; j < Hidden; j++)
                    {
                        var at = (row * Hidden) + j;
                        cells[at] = (Sigmoid(Gate(1, j)) * C(j)) + (Sigmoid(Gate(0, j)) * Math.Tanh(Gate(2, j)));
                        output[at] = Sigmoid(Gate(3, j)) * Math.Tanh(cells[at]);
                    }
                }
            }

            return output;

            static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

            static double[] Doubles(float[] values) => [.. values.Select(value => (double)value)];
        }

        public void Dispose()
        {
            foreach (var owned in (IDisposable[])
                [_gates, _recurrent, _packed, _state, _cell, _cells, _output, _steps])
            {
                owned.Dispose();
            }
        }

    }
}
