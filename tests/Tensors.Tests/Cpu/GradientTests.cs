using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Tests.Cpu;

/// <summary>Each operation's gradient against central differences of its formula in double.</summary>
public sealed class GradientTests
{
    private static readonly Dropout Dropped = new(0.25f, Key: 42);

    public static TheoryData<string> Widths => Values.Widths;

    [Theory]
    [MemberData(nameof(Widths))]
    public void Apply_Functions_MatchTheFormulas(string width)
    {
        using var backend = Values.Backend(width, threads: 2);
        float[] xs = [.. Values.Random(5 * 37, seed: 1).Select(value => value * 5)];
        var ys = Values.Random(5 * 37, seed: 2);
        using var x = Values.Tensor(backend, 5, 37, xs);
        using var y = Values.Tensor(backend, 5, 37, ys);
        using var output = backend.Allocate(5, 37);

        backend.Apply(Elementwise.Gelu, x, default, output);
        Derivative.AssertClose(
            [.. xs.Select(value => (double)Oracle.Activate(value, Activation.Gelu))], output.ToArray(), 1e-6);
        backend.Apply(Elementwise.GeluGradient, x, y, output);
        Derivative.AssertClose(
            Derivative.Of(Each(value => value * 0.5 * (1 + Oracle.Erf(value / Math.Sqrt(2)))), xs, ys),
            output.ToArray(), 1e-6);
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
    [MemberData(nameof(Widths))]
    public void DropoutAdd_DropsTheSameOnEveryWidth_AtTheRateAskedFor(string width)
    {
        const int rows = 100;
        const int columns = 333;
        using var backend = Values.Backend(width, threads: 2);
        using var ones = Values.Tensor(backend, rows, columns, [.. Enumerable.Repeat(1f, rows * columns)]);
        using var residual = Values.Tensor(backend, rows, columns, Values.Random(rows * columns, seed: 1));
        using var output = backend.Allocate(rows, columns);

        backend.DropoutAdd(ones, Dropped, default, output);

        var factors = output.ToArray();
        Assert.Equal(Factors(Dropped, rows, columns), factors);
        var kept = factors.Count(factor => factor != 0) / (double)factors.Length;
        var deviation = Math.Sqrt(0.25 * 0.75 / factors.Length);
        Assert.InRange(kept, 0.75 - (5 * deviation), 0.75 + (5 * deviation));
        Assert.All(factors, factor => Assert.True(factor is 0 or 1 / 0.75f));
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
    [MemberData(nameof(Widths))]
    public void LayerNormGradient_MatchesTheDerivative(string width)
    {
        const float epsilon = 1e-3f;
        foreach (var (rows, columns) in ((int, int)[])[(3, 20), (300, 5)])
        {
            using var backend = Values.Backend(width, threads: 2);
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

    public static TheoryData<string, int, int, float> Heads()
    {
        var heads = new TheoryData<string, int, int, float>();
        foreach (var width in Values.WidthNames)
        {
            heads.Add(width, 2, 5, 0f);
            heads.Add(width, 1, 32, 0f);
            heads.Add(width, 2, 5, 0.25f);
        }

        return heads;
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void AttentionGradient_RaggedBatch_MatchesTheDerivative(string width, int heads, int headDim, float rate)
    {
        int[] queryOffsets = [0, 3, 3, 4, 37];
        int[] keyOffsets = [0, 4, 6, 11, 44];
        if (headDim > 5)
            (queryOffsets, keyOffsets) = ([0, 2, 5], [0, 3, 6]); // Differences of many values take long.
        var (queries, keys, hidden) = (queryOffsets[^1], keyOffsets[^1], heads * headDim);
        using var backend = Values.Backend(width, threads: 2);
        var dropout = new Dropout(rate, Key: 7);
        var (qs, ks, vs) =
            (Values.Random(queries * hidden, 1), Values.Random(keys * hidden, 2), Values.Random(keys * hidden, 3));
        var weights = Values.Random(queries * hidden, 4);
        using var query = Values.Tensor(backend, queries, hidden, qs);
        using var key = Values.Tensor(backend, keys, hidden, ks);
        using var value = Values.Tensor(backend, keys, hidden, vs);
        using var outputGradient = Values.Tensor(backend, queries, hidden, weights);
        using var output = backend.Allocate(queries, hidden);
        using var queryGradient = backend.Allocate(queries, hidden);
        using var keyGradient = Values.Tensor(backend, keys, hidden, Values.Random(keys * hidden, 5));
        using var valueGradient = Values.Tensor(backend, keys, hidden, Values.Random(keys * hidden, 6));

        backend.Attention(query, queryOffsets, key, value, keyOffsets, heads, dropout, output);
        backend.AttentionGradient(
            query, queryOffsets, key, value, keyOffsets, heads, dropout, outputGradient, queryGradient, keyGradient,
            valueGradient);

        double[] Formula(IEnumerable<double> q, IEnumerable<double> k, IEnumerable<double> v) =>
            Attend([.. q], [.. k], [.. v], queryOffsets, keyOffsets, heads, headDim, dropout);
        Derivative.AssertClose(Formula(Doubles(qs), Doubles(ks), Doubles(vs)), output.ToArray(), 2e-6);
        Derivative.AssertClose(
            Derivative.Of(q => Formula(q, Doubles(ks), Doubles(vs)), qs, weights), queryGradient.ToArray(), 1e-5);
        Derivative.AssertClose(
            Derivative.Of(k => Formula(Doubles(qs), k, Doubles(vs)), ks, weights), keyGradient.ToArray(), 1e-5);
        Derivative.AssertClose(
            Derivative.Of(v => Formula(Doubles(qs), Doubles(ks), v), vs, weights), valueGradient.ToArray(), 1e-5);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void EmbeddingGradient_AndScatterAddRows_AddUpRepeatedRows(string width)
    {
        const int columns = 70;
        using var backend = Values.Backend(width, threads: 2);
        TokenIds[] ids = [new(2, 0, 1), new(0, 1, 1), new(2, 2, 0)];
        using var dy = Values.Tensor(backend, 3, columns, Values.Random(3 * columns, 1));
        using var tokens = Values.Tensor(backend, 3, columns, Values.Random(3 * columns, 2));
        using var positions = backend.Allocate(3, columns);
        using var types = backend.Allocate(2, columns);
        var (gradient, before) = (dy.ToArray(), tokens.ToArray());

        backend.EmbeddingGradient(ids, dy, tokens, positions, types);

        Assert.Equal(gradient, positions.ToArray());
        for (var i = 0; i < columns; i++)
        {
            Assert.Equal(before[i] + gradient[columns + i], tokens.ToArray()[i]);
            Assert.Equal(before[columns + i], tokens.ToArray()[columns + i]);
            Assert.Equal(
                before[(2 * columns) + i] + gradient[i] + gradient[(2 * columns) + i],
                tokens.ToArray()[(2 * columns) + i]);
            Assert.Equal(gradient[(2 * columns) + i], types.ToArray()[i]);
            Assert.Equal(gradient[i] + gradient[columns + i], types.ToArray()[columns + i]);
        }

        backend.ScatterAddRows(dy, [1, 1, 0], types);
        Assert.Equal(
            gradient[5] + gradient[columns + 5] + gradient[5] + gradient[columns + 5],
            types.ToArray()[columns + 5], 1e-6f);
        Assert.Throws<ShapeException>(() => backend.ScatterAddRows(dy, [1, 2, 0], types));
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void AddRows_AddsUpRows_WithTheSameBitsOnAnyThreads(string width)
    {
        const int rows = 1000;
        const int columns = 45;
        var xs = Values.Random(rows * columns, 1);
        var results = new List<float[]>();
        foreach (var threads in (int[])[1, 2])
        {
            using var backend = Values.Backend(width, threads);
            using var x = Values.Tensor(backend, rows, columns, xs);
            using var output = Values.Tensor(backend, 1, columns, [.. Enumerable.Repeat(1f, columns)]);
            backend.AddRows(x, output);
            results.Add(output.ToArray());
        }

        Assert.Equal(Values.Bits(results[0]), Values.Bits(results[1]));
        for (var column = 0; column < columns; column++)
        {
            Assert.Equal(
                1 + Enumerable.Range(0, rows).Sum(row => (double)xs[(row * columns) + column]),
                results[0][column], 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void SoftmaxCrossEntropy_MatchesTheDerivative(string width)
    {
        foreach (var classes in (int[])[1, 2, 6, 50])
        {
            const int rows = 7;
            using var backend = Values.Backend(width, threads: 2);
            float[] xs = [.. Values.Random(rows * classes, 1).Select(value => value * 6)];
            int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % classes)];
            using var logits = Values.Tensor(backend, rows, classes, xs);
            using var gradient = backend.Allocate(rows, classes);

            var loss = backend.SoftmaxCrossEntropy(logits, labels, 1f / rows, gradient);

            double[] Formula(double[] x) =>
                [.. x.Chunk(classes).Select((row, i) => Math.Log(row.Sum(Math.Exp)) - row[labels[i]])];
            Assert.Equal(Formula([.. Doubles(xs)]).Sum(), loss, 1e-5);
            Derivative.AssertClose(
                Derivative.Of(Formula, xs, [.. Enumerable.Repeat(1f / rows, rows)]), gradient.ToArray(), 1e-6);
            backend.SoftmaxCrossEntropy(logits, labels, 1f / rows, logits);
            Assert.Equal(Values.Bits(gradient.ToArray()), Values.Bits(logits.ToArray()));
        }

        using var any = Values.Backend(width);
        using var two = any.Allocate(2, 3);
        Assert.Throws<ShapeException>(() => any.SoftmaxCrossEntropy(two, [0], 1, two));
        Assert.Throws<ShapeException>(() => any.SoftmaxCrossEntropy(two, [0, 3], 1, two));
    }

    [Fact]
    public void SoftmaxCrossEntropy_ExtremeLogits_StayFinite()
    {
        using var backend = Values.Backend("scalar");
        using var logits = Values.Tensor(backend, 1, 3, 1000f, -1000f, 0f);
        using var gradient = backend.Allocate(1, 3);
        Assert.Equal(2000, backend.SoftmaxCrossEntropy(logits, [1], 1f, gradient), 1e-3);
        Assert.All(gradient.ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Adam_ThreeSteps_FollowTheAlgorithm(string width)
    {
        foreach (var isDecoupled in (bool[])[false, true])
        {
            const int count = 3 * 21;
            using var backend = Values.Backend(width, threads: 2);
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
    [MemberData(nameof(Widths))]
    public void SumOfSquares_AndFill(string width)
    {
        using var backend = Values.Backend(width, threads: 2);
        var xs = Values.Random(100 * 37, 1);
        using var x = Values.Tensor(backend, 100, 37, xs);
        Assert.Equal(xs.Sum(value => (double)value * value), backend.SumOfSquares(x), 1e-3);
        backend.Fill(x, 3f);
        Assert.All(x.ToArray(), value => Assert.Equal(3f, value));
    }

    private static IEnumerable<double> Doubles(float[] values) => values.Select(value => (double)value);

    private static Func<double[], double[]> Each(Func<double, double> function) =>
        values => [.. values.Select(function)];

    /// <summary>What dropout multiplies by, straight from its definition.</summary>
    private static float[] Factors(Dropout dropout, int rows, int columns)
    {
        var factors = new float[rows * columns];
        var groups = (columns + 15) / 16;
        for (var i = 0; i < factors.Length; i++)
        {
            var (row, column) = (i / columns, i % columns);
            var bits = CounterRandom.Bits(
                dropout.Key, (ulong)((((row * groups) + (column / 16)) * 4) + (column % 16 / 4)));
            factors[i] = (ushort)(bits >> (16 * (column % 4))) >= dropout.Threshold ? dropout.Scale : 0f;
        }

        return factors;
    }

    /// <summary>Attention of all heads of all sequences, with dropout of its weights.</summary>
    private static double[] Attend(
        double[] q, double[] k, double[] v, int[] queryOffsets, int[] keyOffsets, int heads, int headDim,
        Dropout dropout)
    {
        var hidden = heads * headDim;
        var output = new double[q.Length];
        for (var sequence = 0; sequence + 1 < keyOffsets.Length; sequence++)
        {
            var (firstKey, keys) = (keyOffsets[sequence], keyOffsets[sequence + 1] - keyOffsets[sequence]);
            var (firstQuery, queries) = (queryOffsets[sequence], queryOffsets[sequence + 1] - queryOffsets[sequence]);
            for (var head = 0; head < heads; head++)
            {
                var own = dropout with { Key = CounterRandom.Bits(dropout.Key, (ulong)((sequence * heads) + head)) };
                var factors = Factors(own, queries, (keys + 31) / 32 * 32);
                for (var row = 0; row < queries; row++)
                {
                    var ofQuery = (firstQuery + row) * hidden;
                    double[] scores = [.. Enumerable.Range(0, keys).Select(j =>
                        Enumerable.Range(head * headDim, headDim)
                            .Sum(d => q[ofQuery + d] * k[((firstKey + j) * hidden) + d]) / Math.Sqrt(headDim))];
                    var sum = scores.Sum(Math.Exp);
                    for (var j = 0; j < keys; j++)
                    {
                        var ofKey = (firstKey + j) * hidden;
                        var factor = dropout.Rate > 0 ? factors[(row * ((keys + 31) / 32 * 32)) + j] : 1;
                        for (var d = head * headDim; d < (head + 1) * headDim; d++)
                            output[ofQuery + d] += Math.Exp(scores[j]) / sum * factor * v[ofKey + d];
                    }
                }
            }
        }

        return output;
    }
}
