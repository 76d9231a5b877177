using MathNet.Numerics.LinearAlgebra;
using Serving.Tensors;
using Serving.Training.Analysis;

namespace Serving.Training.Tests.Analysis;

public sealed class TSneTests
{
    private const int Clusters = 3;

    [Theory]
    [InlineData(1)]
    [InlineData(12)]
    public void Gradient_IsThatOfTheDivergence(double exaggeration)
    {
        const int points = 7; // Not a multiple of a vector's length.
        const double h = 1e-5;
        var affinities = TSneAffinities.Joint(Random(points, 5, seed: 1), 2, CancellationToken.None);
        var (x, y) = (Random(points, 1, seed: 2).Column(0), Random(points, 1, seed: 3).Column(0));

        var (ofX, ofY) = new TSneLayout(affinities, [.. x], [.. y]).Gradient(exaggeration);

        for (var i = 0; i < points; i++)
        {
            var unit = Vector<double>.Build.Dense(points);
            unit[i] = h;
            Assert.Equal((Loss(x + unit, y) - Loss(x - unit, y)) / (2 * h), ofX[i], 1e-8);
            Assert.Equal((Loss(x, y + unit) - Loss(x, y - unit)) / (2 * h), ofY[i], 1e-8);
        }

        // With p times f: f Σ p ln(1 / w) + ln Σ w, but for a constant.
        double Loss(Vector<double> xs, Vector<double> ys)
        {
            var (pull, total) = (0.0, 0.0);
            for (var i = 0; i < points; i++)
            {
                for (var j = 0; j < points; j++)
                {
                    var inverse = 1 + Math.Pow(xs[i] - xs[j], 2) + Math.Pow(ys[i] - ys[j], 2);
                    pull += affinities[i][j] * Math.Log(inverse);
                    total += i == j ? 0 : 1 / inverse;
                }
            }

            return (exaggeration * pull) + Math.Log(total);
        }
    }

    /// <summary>By hand: three points in a row at 0, 1 and 3, seen from where they are.</summary>
    [Fact]
    public void Divergence_IsThatOfTheDefinition()
    {
        double[][] affinities = [[0, 0.2, 0.1], [0.2, 0, 0.2], [0.1, 0.2, 0]];
        double[] w = [1 / 2.0, 1 / 10.0, 1 / 5.0]; // 1 / (1 + d²) of the pairs 01, 02 and 12.
        double[] p = [0.2, 0.1, 0.2];
        var expected = 2 * w.Zip(p, (a, b) => b * Math.Log(b / (a / (2 * w.Sum())))).Sum();
        Assert.Equal(expected, new TSneLayout(affinities, [0, 1, 3], [0, 0, 0]).Divergence(), 12);
    }

    [Theory]
    [InlineData(1.5, 1)]
    [InlineData(5, 1)]
    [InlineData(30, 1)]
    [InlineData(5, 1e-9)]
    [InlineData(5, 1e9)]
    public void Conditional_HasThePerplexityAskedFor(double perplexity, double scale)
    {
        double[] distances = [.. Random(101, 1, seed: 4).Column(0).Select(value => scale * value * value)];
        var probabilities = new double[distances.Length];

        TSneAffinities.Conditional(distances, self: 17, perplexity, probabilities);

        Assert.Equal(0, probabilities[17]);
        Assert.Equal(1, probabilities.Sum(), 12);
        var entropy = -probabilities.Where(p => p > 0).Sum(p => p * Math.Log(p));
        Assert.Equal(perplexity, Math.Exp(entropy), 1e-6);
    }

    /// <summary>Four are nearest, so that no width makes it fewer.</summary>
    [Fact]
    public void Conditional_MoreNearestThanThePerplexity_ShareIt()
    {
        var probabilities = new double[7];
        TSneAffinities.Conditional([0, 2, 2, 2, 2, 5, 9], self: 0, perplexity: 2, probabilities);
        Assert.Equal([0, 0.25, 0.25, 0.25, 0.25, 0, 0], probabilities);
        TSneAffinities.Conditional([0, 3, 3, 3, 3, 3, 3], self: 0, perplexity: 2, probabilities);
        Assert.All(probabilities[1..], each => Assert.Equal(1 / 6.0, each, 12));
    }

    [Fact]
    public void Joint_IsSymmetric_AndOneInAll()
    {
        var joint = TSneAffinities.Joint(Random(20, 3, seed: 5), 4, CancellationToken.None);
        Assert.Equal(1, joint.Sum(row => row.Sum()), 12);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(0, joint[i][i]);
            for (var j = 0; j < 20; j++)
                Assert.Equal(joint[i][j], joint[j][i]);
        }
    }

    [Theory]
    [InlineData(30)]
    [InlineData(150)]
    public void Of_ClustersFarApart_KeepsThemApart(int count)
    {
        var (vectors, labels) = Gaussians(count, width: 60, distance: 8);
        var first = Projection.Of(vectors, labels);
        var picture = TSne.Of(vectors, perplexity: 30);

        Assert.Equal(1, picture.NeighborAccuracy(labels));
        Assert.Equal(Math.Min(30, (count - 1) / 3.0), picture.Perplexity);
        var affinities = TSneAffinities.Joint(
            PrincipalComponents.Of(vectors, TSne.Components).Scores, picture.Perplexity, CancellationToken.None);
        var (x, y) = (first.Points.Select(point => point.X), first.Points.Select(point => point.Y));
        var before = new TSneLayout(affinities, [.. x.Select(Small)], [.. y.Select(Small)]).Divergence();
        Assert.InRange(picture.Divergence, 0, before / 2);

        static double Small(double value) => 1e-4 * value;
    }

    /// <summary>Along the first two components, clusters lie on top of each other.</summary>
    [Fact]
    public void Of_ClustersThatTheComponentsHide_ShowsThem()
    {
        // Eight clusters at the corners of a cube that is longer along its first two edges.
        var noise = Random(80, 3, seed: 6);
        List<float[]> vectors = [.. Enumerable.Range(0, 80).Select(i => new[]
        {
            (float)(((i & 1) * 12) + noise[i, 0]), (float)(((i >> 1 & 1) * 11) + noise[i, 1]),
            (float)(((i >> 2 & 1) * 8) + noise[i, 2])
        })];
        List<string> labels = [.. Enumerable.Range(0, 80).Select(i => $"{i % 8}")];
        var linear = new TSne(Projection.Of(vectors, labels).Points, 0, 0);
        Assert.InRange(linear.NeighborAccuracy(labels), 0, 0.8);
        Assert.Equal(1, TSne.Of(vectors, perplexity: 5).NeighborAccuracy(labels));
    }

    [Fact]
    public void Of_TheSameVectors_GivesTheSameBits()
    {
        var (vectors, _) = Gaussians(40, width: 60, distance: 3);
        Assert.Equal(TSne.Of(vectors, perplexity: 8).Points, TSne.Of(vectors, perplexity: 8).Points);
    }

    [Fact]
    public void Of_VectorsAllTheSame_AreOnePoint()
    {
        var picture = TSne.Of([[1, 2], [1, 2], [1, 2], [1, 2], [1, 2]], perplexity: 30);
        Assert.All(picture.Points, point => Assert.Equal(new(0, 0), point));
        Assert.Equal(0, picture.Divergence, 12);
    }

    public static TheoryData<int, int, int> FewOrEqual => new()
    {
        { 2, 5, 2 }, { 3, 5, 3 }, { 4, 5, 4 }, { 5, 1, 5 }, { 9, 5, 2 }, { 30, 2, 5 }, { 31, 70, 31 }
    };

    /// <summary>Few vectors, equal ones, vectors of one coordinate.</summary>
    [Theory]
    [MemberData(nameof(FewOrEqual))]
    public void Of_FewOrEqualVectors_StaysFinite(int count, int width, int different)
    {
        var values = Random(different, width, seed: 7);
        List<float[]> vectors = [.. Enumerable.Range(0, count).Select(
            i => values.Row(i % different).Select(value => (float)value).ToArray())];
        var picture = TSne.Of(vectors, perplexity: 30);
        Assert.All(picture.Points, point => Assert.True(double.IsFinite(point.X) && double.IsFinite(point.Y)));
        Assert.InRange(picture.Divergence, -1e-12, 10);
        Assert.InRange(picture.Points.Max(point => Math.Abs(point.X)), 0, 1e4);
        Assert.Equal(1, picture.NeighborAccuracy([.. vectors.Select(_ => "the only label")]));
    }

    [Fact]
    public void Of_Cancelled_Stops()
    {
        var (vectors, _) = Gaussians(30, width: 4, distance: 3);
        Assert.Throws<OperationCanceledException>(() => TSne.Of(vectors, 30, new(canceled: true)));
    }

    private static (List<float[]> Vectors, List<string> Labels) Gaussians(int count, int width, double distance)
    {
        var noise = Random(count, width, seed: 8);
        return (
            [.. Enumerable.Range(0, count).Select(i => noise.Row(i).Select(
                (value, column) => (float)(value + (column == i % Clusters ? distance : 0))).ToArray())],
            [.. Enumerable.Range(0, count).Select(i => $"{i % Clusters}")]);
    }

    /// <summary>Standard normal numbers (Box and Muller 1958).</summary>
    private static Matrix<double> Random(int rows, int columns, ulong seed)
    {
        var (radius, angle) = (CounterRandom.Key(seed, 1), CounterRandom.Key(seed, 2));
        return Matrix<double>.Build.Dense(rows, columns, (row, column) =>
        {
            var i = ((ulong)row * 1000) + (ulong)column;
            return Math.Sqrt(-2 * Math.Log(1 - CounterRandom.Uniform(radius, i)))
                * Math.Cos(2 * Math.PI * CounterRandom.Uniform(angle, i));
        });
    }
}
