namespace Serving.Tensors.Tests.Conformance;

/// <summary>Losses with their gradients, and other results that are one number or a bit an element.</summary>
public abstract class LossSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void SoftmaxCrossEntropy_MatchesTheDerivative(string name)
    {
        foreach (var classes in (int[])[1, 2, 6, 50])
        {
            const int rows = 7;
            using var backend = TBackends.Create(name, threads: 2);
            float[] xs = [.. Values.Random(rows * classes, 1).Select(value => value * 6)];
            int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % classes)];
            using var logits = Values.Tensor(backend, rows, classes, xs);
            using var gradient = backend.Allocate(rows, classes);
            using var indices = Values.Indices(backend, labels);

            var loss = Values.Sum(
                backend, sum => backend.SoftmaxCrossEntropy(logits, indices, 1f / rows, gradient, sum));

            double[] Formula(double[] x) =>
                [.. x.Chunk(classes).Select((row, i) => Math.Log(row.Sum(Math.Exp)) - row[labels[i]])];
            Assert.Equal(Formula([.. Doubles(xs)]).Sum(), loss, 1e-5);
            Derivative.AssertClose(
                Derivative.Of(Formula, xs, [.. Enumerable.Repeat(1f / rows, rows)]), gradient.ToArray(), 1e-6);
            Values.Sum(backend, sum => backend.SoftmaxCrossEntropy(logits, indices, 1f / rows, logits, sum));
            Assert.Equal(Values.Bits(gradient.ToArray()), Values.Bits(logits.ToArray()));
        }

        using var any = TBackends.Create(name);
        using var two = any.Allocate(2, 3);
        using var sums = any.AllocateScalars(1);
        using var few = Values.Indices(any, 0);
        using var beyond = Values.Indices(any, 0, 3);
        Assert.Throws<ShapeException>(() => any.SoftmaxCrossEntropy(two, few, 1, two, sums[0]));
        Assert.Throws<ShapeException>(() => any.SoftmaxCrossEntropy(two, beyond, 1, two, sums[0]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void SoftmaxCrossEntropy_ExtremeLogits_StayFinite(string name)
    {
        using var backend = TBackends.Create(name);
        using var labels = Values.Indices(backend, 1);
        using var logits = Values.Tensor(backend, 1, 3, 1000f, -1000f, 0f);
        using var gradient = backend.Allocate(1, 3);
        Assert.Equal(
            2000, Values.Sum(backend, sum => backend.SoftmaxCrossEntropy(logits, labels, 1f, gradient, sum)), 1e-3);
        Assert.All(gradient.ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    /// <summary>The candidates are the labels of the rows before, as in a text.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void SoftmaxUnlikelihood_OfKnownLogits_IsAsComputedByHand(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var logits = Values.Tensor(
            backend, 4, 4, [.. Enumerable.Repeat((float[])[2, 1, 0, -1], 4).SelectMany(row => row)]);
        using var gradient = backend.Allocate(4, 4);
        using var labels = Values.Indices(backend, 0, 1, 0, 2);
        using var candidates = Values.Indices(backend, 0, 1, 0, 1);
        using var offsets = Values.Indices(backend, 0, 0, 1, 2, 4);
        using var sums = backend.AllocateScalars(2);

        backend.SoftmaxUnlikelihood(logits, labels, candidates, offsets, 1, 1, gradient, sums[0], sums[1]);

        // p = 0.64391, 0.23688, 0.08714, 0.03206: -ln p of the labels, and -ln(1 - p) of the candidates.
        Assert.Equal(0.44019 + 1.44019 + 0.44019 + 2.44019, Read(sums)[0], 1e-4);
        Assert.Equal(1.032584 + 0.270344 + 1.302927, Read(sums)[1], 1e-5);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void SoftmaxUnlikelihood_MatchesTheDerivative(string name)
    {
        const int rows = 6;
        foreach (var classes in (int[])[2, 6, 50])
        {
            using var backend = TBackends.Create(name, threads: 2);
            float[] xs = [.. Values.Random(rows * classes, 1).Select(value => value * 3)];
            xs[classes + 1] = 12; // A candidate of probability near 1.
            int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % classes)];
            int[][] unlikely = [[], [1], [0, 1], [classes - 1], [1], []];
            using var logits = Values.Tensor(backend, rows, classes, xs);
            using var gradient = backend.Allocate(rows, classes);
            using var indices = Values.Indices(backend, labels);
            using var candidates = Values.Indices(backend, [.. unlikely.SelectMany(row => row)]);
            using var offsets = Values.Indices(backend, 0, 0, 1, 3, 4, 5, 5);
            using var sums = backend.AllocateScalars(2);

            backend.SoftmaxUnlikelihood(
                logits, indices, candidates, offsets, 0.5f, 0.25f, gradient, sums[0], sums[1]);

            double[] Losses(double[] x) =>
                [.. x.Chunk(classes).Select((row, i) => Math.Log(row.Sum(Math.Exp)) - row[labels[i]])];
            double[] Penalties(double[] x) => [.. x.Chunk(classes).Select((row, i) => unlikely[i].Sum(
                c => Math.Log(row.Sum(Math.Exp)) - Math.Log(row.Where((_, j) => j != c).Sum(Math.Exp))))];
            double[] point = [.. Doubles(xs)];
            Assert.Equal(Losses(point).Sum(), Read(sums)[0], 1e-4);
            Assert.Equal(Penalties(point).Sum(), Read(sums)[1], 1e-4);
            var expected = Derivative.Of(Losses, xs, [.. Enumerable.Repeat(0.5f, rows)]).Zip(
                Derivative.Of(Penalties, xs, [.. Enumerable.Repeat(0.25f, rows)]), (a, b) => a + b);
            Derivative.AssertClose([.. expected], gradient.ToArray(), 1e-5);
            backend.SoftmaxUnlikelihood(logits, indices, candidates, offsets, 0.5f, 0.25f, logits, sums[0], sums[1]);
            Assert.Equal(Values.Bits(gradient.ToArray()), Values.Bits(logits.ToArray()));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void SoftmaxUnlikelihood_OfCertainCandidates_StaysFinite_AndPushesThemDown(string name)
    {
        using var backend = TBackends.Create(name);
        using var logits = Values.Tensor(backend, 1, 3, 1000f, -1000f, 0f);
        using var gradient = backend.Allocate(1, 3);
        using var labels = Values.Indices(backend, 0);
        using var offsets = Values.Indices(backend, 0, 1);
        using var sums = backend.AllocateScalars(2);

        backend.SoftmaxUnlikelihood(logits, labels, labels, offsets, 0, 1, gradient, sums[0], sums[1]);

        Assert.InRange(Read(sums)[1], 60, 1000);
        Assert.Equal(1f, gradient.ToArray()[0], 1e-6f);
        Assert.All(gradient.ToArray(), value => Assert.True(float.IsFinite(value)));
        offsets.Write([0, 2]);
        Assert.Throws<ShapeException>(
            () => backend.SoftmaxUnlikelihood(logits, labels, labels, offsets, 0, 1, gradient, sums[0], sums[1]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void CountCorrect_TakesTheFirstOfEqualLogits(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var logits = Values.Tensor(backend, 4, 3, 1, 2, 3, 3, 1, 2, 0, 5, 5, 7, 7, 7);
        using var labels = Values.Indices(backend, 2, 1, 1, 1);

        // Right in rows 0 and 2; the first of row 3 is class 0.
        Assert.Equal(2, Values.Sum(backend, sum => backend.CountCorrect(logits, labels, sum)));
        labels.Write([2, 0, 2, 0]);
        Assert.Equal(3, Values.Sum(backend, sum => backend.CountCorrect(logits, labels, sum)));
        labels.Write([0, 0, 0]);
        Assert.Throws<ShapeException>(() => Values.Sum(backend, sum => backend.CountCorrect(logits, labels, sum)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void SquaredError_IsTheSumOfSquares_WithItsGradient(string name)
    {
        using var backend = TBackends.Create(name);
        using var predictions = Values.Tensor(backend, 3, 1, 1, -2, 0.5f);
        using var targets = Values.Tensor(backend, 3, 1, 0.5f, 1, 0.5f);
        using var gradient = backend.Allocate(3, 1);

        // Errors 0.5, -3, 0: 0.25 + 9; gradients 2 * 0.25 * error.
        Assert.Equal(
            9.25, Values.Sum(backend, sum => backend.SquaredError(predictions, targets, 0.25f, gradient, sum)), 1e-6);
        Assert.Equal([0.25f, -1.5f, 0f], gradient.ToArray());
        using var wide = backend.Allocate(3, 2);
        Assert.Throws<ShapeException>(
            () => Values.Sum(backend, sum => backend.SquaredError(predictions, wide, 1, gradient, sum)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void CosineCrossEntropy_MatchesTheDerivative(string name)
    {
        const int columns = 5;
        int[] lefts = [0, 2, 1];
        int[] rights = [3, 4, 4];
        using var backend = TBackends.Create(name, threads: 2);
        var xs = Values.Random(5 * columns, seed: 1);
        using var x = Values.Tensor(backend, 5, columns, xs);
        using var gradient = Values.Tensor(backend, 5, columns, Values.Random(5 * columns, seed: 2));
        using var left = Values.Indices(backend, lefts);
        using var right = Values.Indices(backend, rights);
        using var sums = backend.AllocateScalars(2);
        double[] Formula(double[] values) =>
        [
            lefts.Select((row, i) =>
                Math.Log(rights.Sum(other => Math.Exp(Cosine(values, columns, row, other))))
                - Cosine(values, columns, row, rights[i])).Sum()
        ];
        double[] point = [.. xs.Select(value => (double)value)];
        var correct = lefts.Select((row, i) => (double[])[.. rights.Select(
                other => Cosine(point, columns, row, other))])
            .Where((cosines, i) => Array.IndexOf(cosines, cosines.Max()) == i).Count();

        backend.CosineCrossEntropy(x, left, right, 0.5f, gradient, sums[0], sums[1]);

        Assert.Equal(Formula(point)[0], Read(sums)[0], 1e-5);
        Assert.Equal(correct, Read(sums)[1]);
        Derivative.AssertClose(Derivative.Of(Formula, xs, [0.5f]), gradient.ToArray(), 1e-5);
        left.Write([0, 1]);
        Assert.Throws<ShapeException>(
            () => backend.CosineCrossEntropy(x, left, right, 1, gradient, sums[0], sums[1]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void CosineDistance_MatchesTheDerivative(string name)
    {
        const int columns = 6;
        int[] lefts = [0, 0, 2];
        int[] rights = [1, 3, 3];
        using var backend = TBackends.Create(name, threads: 2);
        var xs = Values.Random(4 * columns, seed: 3);
        using var x = Values.Tensor(backend, 4, columns, xs);
        using var gradient = Values.Tensor(backend, 4, columns, Values.Random(4 * columns, seed: 4));
        using var left = Values.Indices(backend, lefts);
        using var right = Values.Indices(backend, rights);
        using var sums = backend.AllocateScalars(2);
        double[] Formula(double[] values) =>
            [lefts.Select((row, i) => -Math.Log((1 + Cosine(values, columns, row, rights[i])) / 2)).Sum()];
        double[] point = [.. xs.Select(value => (double)value)];

        backend.CosineDistance(x, left, right, 0.25f, gradient, sums[0], sums[1]);

        Assert.Equal(Formula(point)[0], Read(sums)[0], 1e-5);
        Assert.Equal(lefts.Select((row, i) => Cosine(point, columns, row, rights[i])).Sum(), Read(sums)[1], 1e-5);
        Derivative.AssertClose(Derivative.Of(Formula, xs, [0.25f]), gradient.ToArray(), 1e-5);
        right.Write([1, 3, 4]);
        Assert.Throws<ShapeException>(
            () => backend.CosineDistance(x, left, right, 1, gradient, sums[0], sums[1]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void CosineCrossEntropy_AtBest_KnowsNotQuiteAll(string name)
    {
        using var backend = TBackends.Create(name);
        using var x = Values.Tensor(backend, 4, 2, 0, 2, 0, -1, 0, 3, 0, -4);
        using var gradient = backend.Allocate(4, 2);
        using var left = Values.Indices(backend, 0, 1);
        using var right = Values.Indices(backend, 2, 3);
        using var sums = backend.AllocateScalars(2);

        backend.CosineCrossEntropy(x, left, right, 1f, gradient, sums[0], sums[1]);

        // Two pairs, one pointing up, one down: cosines 1 and -1.
        Assert.Equal(2 * Math.Log(1 + Math.Exp(-2)), Read(sums)[0], 1e-7);
        Assert.Equal(2, Read(sums)[1]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void CosineDistance_OfRowsOfZerosAndOfOpposites_IsFinite(string name)
    {
        using var backend = TBackends.Create(name);
        using var x = Values.Tensor(backend, 4, 2, 0, 0, 1, 2, 1, 0, -1, 0);
        using var gradient = backend.Allocate(4, 2);
        using var left = Values.Indices(backend, 0);
        using var right = Values.Indices(backend, 1);
        using var sums = backend.AllocateScalars(2);

        backend.CosineDistance(x, left, right, 1f, gradient, sums[0], sums[1]);

        Assert.Equal([Math.Log(2), 0], Read(sums)); // The cosine is 0: -ln(1 / 2).
        Assert.All(gradient.ToArray(), value => Assert.True(float.IsFinite(value)));
        sums.Clear();
        left.Write([2]);
        right.Write([3]);
        backend.CosineDistance(x, left, right, 1f, gradient, sums[0], sums[1]);
        Assert.All(Read(sums), value => Assert.True(double.IsFinite(value)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void SumOfSquares_OfSeveralTensors_AddsUp(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        var (xs, ys) = (Values.Random(100 * 37, seed: 1), Values.Random(8, seed: 2));
        using var x = Values.Tensor(backend, 100, 37, xs);
        using var y = Values.Tensor(backend, 2, 4, ys);
        using var sums = backend.AllocateScalars(2);
        var ofX = xs.Sum(value => (double)value * value);
        var ofY = ys.Sum(value => (double)value * value);

        backend.SumOfSquares(x, sums[0]);
        backend.SumOfSquares(y, sums[0]);
        backend.SumOfSquares(y, sums[1]);

        Assert.Equal(ofX + ofY, Read(sums)[0], 1e-3);
        Assert.Equal(ofY, Read(sums)[1], 1e-6);
        sums.Clear();
        Assert.Equal([0, 0], Read(sums));
        Assert.Throws<ArgumentOutOfRangeException>(() => sums[2]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void ReadBits_HasABitForEachElementAboveTheThreshold(string name)
    {
        using var backend = TBackends.Create(name);
        using var x = Values.Tensor(backend, 3, 5, 1, 0, 2, 0.5f, 3, 9, 9, 9, 9, 9, 0, 0, 0, 1, float.NaN);
        var bits = new byte[2];

        backend.ReadBits(x, 0.5f, bits);

        Assert.Equal([0b1111_0101, 0b0010_0011], bits); // 0.5 and not-a-number are not above.
        backend.ReadBits(x.Slice(1, 1).SliceColumns(1, 3), 0.5f, bits.AsSpan(0, 1));
        Assert.Equal(0b0000_0111, bits[0]);
        Assert.Throws<ShapeException>(() => backend.ReadBits(x, 0, new byte[3]));
    }

    private static double[] Read(ScalarBuffer sums)
    {
        var values = new double[sums.Count];
        sums.Read(values);
        return values;
    }

    private static IEnumerable<double> Doubles(float[] values) => values.Select(value => (double)value);

    private static double Cosine(double[] x, int columns, int a, int b)
    {
        var (left, right) = (x.AsSpan(a * columns, columns).ToArray(), x.AsSpan(b * columns, columns).ToArray());
        double Dot(double[] p, double[] q) => p.Zip(q, (first, second) => first * second).Sum();
        return Dot(left, right) / (Math.Sqrt(Dot(left, left) * Dot(right, right)) + 1e-8);
    }
}
