namespace Serving.Tensors.Tests.Conformance;

/// <summary>Matrix products of training.</summary>
public abstract class MultiplySuite<TBackends>
    where TBackends : ITestBackends
{
    private const float Threshold = 0.1f;

    public static TheoryData<string> Names => [.. TBackends.Names];

    public static TheoryData<string, Transposed> Forms()
    {
        var forms = new TheoryData<string, Transposed>();
        foreach (var name in TBackends.Names)
        {
            foreach (var transposed in Enum.GetValues<Transposed>())
                forms.Add(name, transposed);
        }

        return forms;
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_AnyShape_MatchesTheFormula(string name, Transposed transposed)
    {
        using var backend = TBackends.Create(name, threads: 2);
        (int, int, int)[] sizes = [(1, 1, 1), (3, 5, 31), (17, 33, 32), (150, 70, 67), (33, 900, 100), (2, 64, 2)];
        (bool, bool, bool)[] variants =
            [(false, false, false), (true, true, false), (false, true, true), (true, false, true)];
        foreach (var (rows, terms, columns) in sizes)
        {
            foreach (var (isSelected, hasBias, accumulate) in variants)
            {
                var operands = new Operands(rows, terms, columns, transposed);
                using var a = operands.A(backend);
                using var b = operands.B(backend);
                using var scores = operands.Scores(backend);
                using var bias = Values.Tensor(backend, 1, columns, operands.BiasValues);
                using var output = Values.Tensor(backend, rows, columns, operands.Before);

                backend.Multiply(
                    a, b, transposed, isSelected ? new(scores, Threshold) : default, hasBias ? bias : default,
                    accumulate, output);

                var actual = output.ToArray();
                for (var row = 0; row < rows; row++)
                {
                    for (var column = 0; column < columns; column++)
                    {
                        var expected = operands.Product(row, column, isSelected)
                            + (hasBias ? operands.BiasValues[column] : 0)
                            + (accumulate ? operands.Before[(row * columns) + column] : 0);
                        Assert.Equal(expected, actual[(row * columns) + column], Tolerance.Product);
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_OneOrTwoThreads_GiveTheSame(string name, Transposed transposed)
    {
        var operands = new Operands(130, 1000, 96, transposed);
        var results = new List<float[]>();
        var promised = Determinism.None;
        foreach (var threads in (int[])[1, 2])
        {
            using var backend = TBackends.Create(name, threads);
            using var a = operands.A(backend);
            using var b = operands.B(backend);
            using var output = backend.Allocate(130, 96);
            backend.Multiply(a, b, transposed, default, default, accumulate: false, output);
            results.Add(output.ToArray());
            promised = backend.Determinism;
        }

        Values.AssertSame(promised, Determinism.ThreadInvariant, results[0], results[1], Tolerance.Product);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Multiply_WhatIsNotSelected_VanishesWhateverItsValue(string name, Transposed transposed)
    {
        using var backend = TBackends.Create(name);
        var operands = new Operands(4, 40, 33, transposed);
        using var a = operands.A(backend);
        using var scores = operands.Scores(backend);
        using var clean = Values.Tensor(backend, operands.BRows, operands.BColumns, Selected(operands, 0f));
        using var dirty = Values.Tensor(backend, operands.BRows, operands.BColumns, Selected(operands, float.NaN));
        using var expected = backend.Allocate(4, 33);
        using var actual = backend.Allocate(4, 33);

        backend.Multiply(a, clean, transposed, default, default, accumulate: false, expected);
        backend.Multiply(a, dirty, transposed, new(scores, Threshold), default, accumulate: false, actual);

        Assert.Equal(Values.Bits(expected.ToArray()), Values.Bits(actual.ToArray()));
        Assert.All(actual.ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Multiply_WrongShapes_SayWhatIsNeeded(string name)
    {
        using var backend = TBackends.Create(name);
        using var a = backend.Allocate(2, 3);
        using var b = backend.Allocate(4, 5);
        using var output = backend.Allocate(2, 5);
        var inner = Assert.Throws<ShapeException>(
            () => backend.Multiply(a, b, Transposed.Neither, default, default, false, output));
        Assert.Equal("Multiply: inner dimensions differ: a is [2, 3], b [4, 5], transposed Neither.", inner.Message);
        using var c = backend.Allocate(3, 5);
        var scores = Assert.Throws<ShapeException>(
            () => backend.Multiply(a, c, Transposed.Neither, new(b, 0), default, false, output));
        Assert.Equal("Multiply: an operand is [4, 5]; [3, 5] is needed.", scores.Message);
    }

    private static float[] Selected(Operands operands, float dropped) =>
        [.. operands.BValues.Select((value, i) => operands.ScoreValues[i] > Threshold ? value : dropped)];

    /// <summary>Random operands, and their product in double.</summary>
    private sealed class Operands(int rows, int terms, int columns, Transposed transposed)
    {
        private readonly float[] _a = Values.Random(rows * terms, seed: 1);

        public float[] BValues { get; } = Values.Random(terms * columns, seed: 2);

        public float[] ScoreValues { get; } = Values.Random(terms * columns, seed: 3);

        public float[] BiasValues { get; } = Values.Random(columns, seed: 4);

        public float[] Before { get; } = Values.Random(rows * columns, seed: 5);

        public int BRows => transposed == Transposed.Right ? columns : terms;

        public int BColumns => transposed == Transposed.Right ? terms : columns;

        public Tensor A(TensorBackend backend) =>
            transposed == Transposed.Left
                ? Values.Tensor(backend, terms, rows, _a)
                : Values.Tensor(backend, rows, terms, _a);

        public Tensor B(TensorBackend backend) => Values.Tensor(backend, BRows, BColumns, BValues);

        public Tensor Scores(TensorBackend backend) => Values.Tensor(backend, BRows, BColumns, ScoreValues);

        public double Product(int row, int column, bool isSelected)
        {
            var sum = 0.0;
            for (var term = 0; term < terms; term++)
            {
                var a = transposed == Transposed.Left ? _a[(term * rows) + row] : _a[(row * terms) + term];
                var at = transposed == Transposed.Right ? (column * terms) + term : (term * columns) + column;
                if (!isSelected || ScoreValues[at] > Threshold)
                    sum += (double)a * BValues[at];
            }

            return sum;
        }
    }
}
