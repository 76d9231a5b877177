using Serving.Tensors.Tests.Reference;

namespace Serving.Tensors.Tests.Conformance;

/// <summary>Each operation's gradient against central differences of its formula in double.</summary>
public abstract class GradientSuite<TBackends>
    where TBackends : ITestBackends
{
    private static readonly Dropout Dropped = new(0.25f, Key: 42);

    public static TheoryData<string> Names => [.. TBackends.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Apply_Functions_MatchTheFormulas(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        float[] xs = [.. Values.Random(5 * 37, seed: 1).Select(value => value * 5)];
        var ys = Values.Random(5 * 37, seed: 2);
        using var x = Values.Tensor(backend, 5, 37, xs);
        using var y = Values.Tensor(backend, 5, 37, ys);
        using var output = backend.Allocate(5, 37);

        backend.Apply(Elementwise.Gelu, x, default, output);
        Derivative.AssertClose(
            [.. xs.Select(value => Formulas.Activate(value, Activation.Gelu))], output.ToArray(), 1e-6);
        backend.Apply(Elementwise.GeluGradient, x, y, output);
        Derivative.AssertClose(
            Derivative.Of(Each(value => value * 0.5 * (1 + Formulas.Erf(value / Math.Sqrt(2)))), xs, ys),
            output.ToArray(), 1e-6);
        backend.Apply(Elementwise.GeluTanh, x, default, output);
        Derivative.AssertClose(
            [.. xs.Select(value => Formulas.Activate(value, Activation.GeluTanh))], output.ToArray(), 1e-6);
        backend.Apply(Elementwise.GeluTanhGradient, x, y, output);
        Derivative.AssertClose(
            Derivative.Of(Each(value => Formulas.GeluTanh(value)), xs, ys), output.ToArray(), 1e-6);
        backend.Apply(Elementwise.Tanh, x, default, output);
        Derivative.AssertClose([.. xs.Select(value => Math.Tanh(value))], output.ToArray(), 1e-6);
        backend.Apply(Elementwise.TanhGradient, output, y, output);
        Derivative.AssertClose(Derivative.Of(Each(Math.Tanh), xs, ys), output.ToArray(), 1e-6);
        backend.Apply(Elementwise.Add, x, y, output);
        Assert.Equal(xs.Zip(ys, (a, b) => a + b), output.ToArray());
        backend.Apply(Elementwise.AddProduct, x, y, output);
        Derivative.AssertClose([.. xs.Zip(ys, (a, b) => a + (double)b + ((double)a * b))], output.ToArray(), 1e-6);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void DropoutAdd_DropsTheSameOnEveryWidth_AtTheRateAskedFor(string name)
    {
        const int rows = 100;
        const int columns = 333;
        using var backend = TBackends.Create(name, threads: 2);
        using var ones = Values.Tensor(backend, rows, columns, [.. Enumerable.Repeat(1f, rows * columns)]);
        using var residual = Values.Tensor(backend, rows, columns, Values.Random(rows * columns, seed: 1));
        using var output = backend.Allocate(rows, columns);

        backend.DropoutAdd(ones, Dropped, default, output);

        var factors = output.ToArray();
        Assert.Equal(Oracle.Factors(Dropped, rows, columns), factors);
        var kept = factors.Count(factor => factor != 0) / (double)factors.Length;
        var deviation = Math.Sqrt(0.25 * 0.75 / factors.Length);
        Assert.InRange(kept, 0.75 - (5 * deviation), 0.75 + (5 * deviation));
        Assert.All(factors, factor => Assert.True(factor is 0 or 1 / 0.75f));
        Assert.Equal(
            factors,
            Enumerable.Range(0, factors.Length).Select(i => Dropped.Factor(i / columns, i % columns, columns)));
        backend.DropoutAdd(ones, Dropped with { Key = 43 }, default, output);
        Assert.NotEqual(factors, output.ToArray());
        backend.DropoutAdd(ones, Dropped, residual, output);
        Assert.Equal(factors.Zip(residual.ToArray(), (factor, value) => value + factor), output.ToArray());
        backend.DropoutAdd(ones, default, default, output);
        Assert.All(output.ToArray(), value => Assert.Equal(1f, value));
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.DropoutAdd(ones, new(1f, 0), default, output));
        Assert.Throws<ArgumentOutOfRangeException>(() => backend.DropoutAdd(ones, new(float.NaN, 0), default, output));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void LayerNormGradient_MatchesTheDerivative(string name)
    {
        const float epsilon = 1e-3f;
        foreach (var (rows, columns) in ((int, int)[])[(3, 20), (300, 5)])
        {
            using var backend = TBackends.Create(name, threads: 2);
            var (xs, gammas, betas) =
                (Values.Random(rows * columns, 1), Values.Random(columns, 2), Values.Random(columns, 3));
            var weights = Values.Random(rows * columns, 4);
            using var x = Values.Tensor(backend, rows, columns, xs);
            using var gamma = Values.Tensor(backend, 1, columns, gammas);
            using var dy = Values.Tensor(backend, rows, columns, weights);
            using var gammaGradient = Values.Tensor(backend, 1, columns, [.. Enumerable.Repeat(1f, columns)]);
            using var betaGradient = Values.Tensor(backend, 1, columns, [.. Enumerable.Repeat(2f, columns)]);
            using var xGradient = backend.Allocate(rows, columns);

            backend.LayerNormGradient(x, gamma, epsilon, dy, gammaGradient, betaGradient, xGradient);

            if (rows < 10) // A row needs nothing of the others; differences of many rows take long.
            {
                Derivative.AssertClose(
                    Derivative.Of(values => Norm(values, Doubles(gammas), Doubles(betas)), xs, weights),
                    xGradient.ToArray(), 1e-5);
            }

            var ofGamma = Derivative.Of(values => Norm(Doubles(xs), values, Doubles(betas)), gammas, weights);
            Derivative.AssertClose([.. ofGamma.Select(value => value + 1)], gammaGradient.ToArray(), 1e-5);
            var ofBeta = Derivative.Of(values => Norm(Doubles(xs), Doubles(gammas), values), betas, weights);
            Derivative.AssertClose([.. ofBeta.Select(value => value + 2)], betaGradient.ToArray(), 1e-5);
            backend.LayerNormGradient(x, gamma, epsilon, dy, default, default, dy);
            Assert.Equal(Values.Bits(xGradient.ToArray()), Values.Bits(dy.ToArray()));
        }

        static double[] Norm(IEnumerable<double> x, IEnumerable<double> gamma, IEnumerable<double> beta)
        {
            var (g, b) = (gamma.ToArray(), beta.ToArray());
            return [.. x.Chunk(g.Length).SelectMany(row =>
            {
                var mean = row.Average();
                var deviation = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + epsilon);
                return row.Select((value, i) => ((value - mean) / deviation * g[i]) + b[i]);
            })];
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void EmbeddingGradient_AndScatterAddRows_AddUpRepeatedRows(string name)
    {
        const int columns = 70;
        using var backend = TBackends.Create(name, threads: 2);
        TokenIds[] ids = [new(2, 0, 1), new(0, 1, 1), new(2, 2, 0)];
        using var dy = Values.Tensor(backend, 3, columns, Values.Random(3 * columns, 1));
        using var tokens = Values.Tensor(backend, 3, columns, Values.Random(3 * columns, 2));
        using var positions = backend.Allocate(3, columns);
        using var types = backend.Allocate(2, columns);
        var (gradient, before) = (dy.ToArray(), tokens.ToArray());

        using var indices = Values.Tokens(backend, ids);
        backend.EmbeddingGradient(indices, dy, tokens, positions, types);

        Assert.Equal(gradient, positions.ToArray());
        for (var i = 0; i < columns; i++)
        {
            Assert.Equal(before[i] + gradient[columns + i], tokens.ToArray()[i]);
            Assert.Equal(before[columns + i], tokens.ToArray()[columns + i]);
            Assert.Equal(
                before[(2 * columns) + i] + gradient[i] + gradient[(2 * columns) + i],
                tokens.ToArray()[(2 * columns) + i], 1e-6f);
            Assert.Equal(gradient[(2 * columns) + i], types.ToArray()[i]);
            Assert.Equal(gradient[i] + gradient[columns + i], types.ToArray()[columns + i]);
        }

        backend.Fill(positions, 0);
        backend.EmbeddingGradient(indices, dy, tokens, positions, default);
        Assert.Equal(gradient, positions.ToArray());
        using var rows = Values.Indices(backend, 1, 1, 0);
        backend.ScatterAddRows(dy, rows, types);
        Assert.Equal(
            gradient[5] + gradient[columns + 5] + gradient[5] + gradient[columns + 5],
            types.ToArray()[columns + 5], 1e-6f);
        rows.Write([1, 2, 0]);
        Assert.Throws<ShapeException>(() => backend.ScatterAddRows(dy, rows, types));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void MeanRowsGradient_OfOverlappingSpans_MatchesCentralDifferences_AndIsAdded(string name)
    {
        const int columns = 75;
        (int Begin, int End)[] all = [(1, 5), (4, 5), (0, 3)];
        using var backend = TBackends.Create(name, threads: 2);
        var (x, dy, before) = (Values.Random(5 * columns, 1), Values.Random(3 * columns, 2), Values.Random(
            5 * columns, 3));
        using var outputGradient = Values.Tensor(backend, 3, columns, dy);
        using var gradient = Values.Tensor(backend, 5, columns, before);
        using var spans = Values.Indices(backend, [.. all.SelectMany(span => new[] { span.Begin, span.End })]);

        backend.MeanRowsGradient(outputGradient, spans, gradient);

        var own = Derivative.Of(
            values => [.. all.SelectMany(span => Enumerable.Range(0, columns).Select(column =>
                Enumerable.Range(span.Begin, span.End - span.Begin).Average(
                    row => values[(row * columns) + column])))],
            x, dy);
        Derivative.AssertClose([.. own.Zip(before, (a, b) => a + b)], gradient.ToArray(), 1e-6);
        spans.Write([0, 1, 1, 6, 0, 1]);
        Assert.Throws<ShapeException>(() => backend.MeanRowsGradient(outputGradient, spans, gradient));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void AddRows_AddsUpRows_TheSameOnAnyThreads(string name)
    {
        const int rows = 1000;
        const int columns = 45;
        var xs = Values.Random(rows * columns, 1);
        var results = new List<float[]>();
        var promised = Determinism.None;
        foreach (var threads in (int[])[1, 2])
        {
            using var backend = TBackends.Create(name, threads);
            using var x = Values.Tensor(backend, rows, columns, xs);
            using var output = Values.Tensor(backend, 1, columns, [.. Enumerable.Repeat(1f, columns)]);
            backend.AddRows(x, output);
            results.Add(output.ToArray());
            promised = backend.Determinism;
        }

        Values.AssertSame(promised, Determinism.ThreadInvariant, results[0], results[1], 1e-5);
        for (var column = 0; column < columns; column++)
        {
            Assert.Equal(
                1 + Enumerable.Range(0, rows).Sum(row => (double)xs[(row * columns) + column]),
                results[0][column], 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Adam_ThreeSteps_FollowTheAlgorithm(string name)
    {
        foreach (var isDecoupled in (bool[])[false, true])
        {
            const int count = 3 * 21;
            using var backend = TBackends.Create(name, threads: 2);
            var start = Values.Random(count, 1);
            using var parameter = Values.Tensor(backend, 3, 21, start);
            using var mean = backend.Allocate(3, 21);
            using var variance = backend.Allocate(3, 21);
            double[] p = [.. Doubles(start)];
            var (m, v) = (new double[count], new double[count]);
            for (var step = 1; step <= 3; step++)
            {
                var gs = Values.Random(count, seed: 10 + step);
                using var gradient = Values.Tensor(backend, 3, 21, gs);
                backend.Adam(parameter, gradient, mean, variance, new(
                    0.01f, step, 0.9f, 0.999f, 1e-8f, 0.1f, isDecoupled, GradientScale: 0.5f));
                for (var i = 0; i < count; i++)
                {
                    var g = (0.5 * gs[i]) + (isDecoupled ? 0 : 0.1 * p[i]);
                    m[i] = (0.9 * m[i]) + (0.1 * g);
                    v[i] = (0.999 * v[i]) + (0.001 * g * g);
                    var update =
                        m[i] / (1 - Math.Pow(0.9, step)) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.999, step))) + 1e-8);
                    p[i] -= 0.01 * (update + (isDecoupled ? 0.1 * p[i] : 0));
                }
            }

            Derivative.AssertClose(p, parameter.ToArray(), 2e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Fill_SetsEveryElement_AndNoOther(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var x = backend.Allocate(100, 37);
        backend.Fill(x.SliceColumns(1, 35), 3f);
        Assert.All(x.SliceColumns(1, 35).ToArray(), value => Assert.Equal(3f, value));
        Assert.All(x.SliceColumns(0, 1).ToArray(), value => Assert.Equal(0f, value));
        Assert.All(x.SliceColumns(36, 1).ToArray(), value => Assert.Equal(0f, value));
    }

    private static IEnumerable<double> Doubles(float[] values) => values.Select(value => (double)value);

    private static Func<double[], double[]> Each(Func<double, double> function) =>
        values => [.. values.Select(function)];
}
