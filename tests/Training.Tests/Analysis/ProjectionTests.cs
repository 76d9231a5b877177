using Serving.Training.Analysis;

namespace Serving.Training.Tests.Analysis;

public sealed class ProjectionTests
{
    /// <summary>Points (3 t, 4 t, s) about a mean: t varies more than s.</summary>
    private static readonly (double T, double S)[] Places = [(-2, 1), (-1, -1), (0, 0), (1, -1), (2, 1)];

    /// <summary>With more points than coordinates, and with fewer.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(9)]
    public void Points_LieAlongTheDirectionsOfTheLargestVariance(int width)
    {
        var vectors = Places.Select(place => Vector(width, 3 * place.T, 4 * place.T, place.S)).ToList();
        var projection = Projection.Of(vectors, ["a", "a", "a", "b", "b"]);

        // Along (0.6, 0.8, 0) and (0, 0, 1), whose largest coefficients are positive.
        foreach (var (place, point) in Places.Zip(projection.Points))
        {
            Assert.Equal(5 * place.T, point.X, 9);
            Assert.Equal(place.S, point.Y, 9);
        }

        // 25 (4 + 1 + 0 + 1 + 4) = 250 and 1 + 1 + 0 + 1 + 1 = 4.
        Assert.Equal(250 / 254.0, projection.Explained[0], 9);
        Assert.Equal(4 / 254.0, projection.Explained[1], 9);
    }

    [Fact]
    public void Points_DoNotDependOnTheOrderOfVectors()
    {
        var vectors = Places.Select(place => Vector(4, 3 * place.T, -4 * place.T, place.S)).ToList();
        string[] labels = ["a", "a", "a", "b", "b"];
        var forward = Projection.Of(vectors, labels).Points;
        vectors.Reverse();
        var backward = Projection.Of(vectors, labels).Points;
        foreach (var (a, b) in forward.Zip(backward.Reverse()))
            Assert.True(Math.Abs(a.X - b.X) < 1e-9 && Math.Abs(a.Y - b.Y) < 1e-9, $"{a} {b}");
    }

    /// <summary>What is left of the second component is rounding, along no direction of its own.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(9)]
    public void Vectors_OnALine_HaveNoSecondComponent(int width)
    {
        var vectors = Places.Select(place => Vector(width, 3 * place.T, 4 * place.T)).ToList();
        var projection = Projection.Of(vectors, ["a", "a", "a", "b", "b"]);
        Assert.All(projection.Points, point => Assert.Equal(0, point.Y, 9));
        Assert.Equal(1, projection.Explained[0], 9);
        Assert.Equal(0, projection.Explained[1], 9);
    }

    [Fact]
    public void Vectors_ThatAreAllTheSame_AreOnePoint()
    {
        var projection = Projection.Of([[1, 2], [1, 2], [1, 2]], ["a", "b", "b"]);
        Assert.All(projection.Points, point => Assert.Equal(new ProjectedPoint(0, 0), point));
        Assert.Equal([0, 0], projection.Explained);
    }

    private static float[] Vector(int width, params double[] first)
    {
        var vector = new float[width];
        for (var i = 0; i < width; i++)
            vector[i] = 7 + (i < first.Length ? (float)first[i] : 0);
        return vector;
    }
}
