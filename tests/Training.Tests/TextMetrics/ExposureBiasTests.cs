using Serving.Training.TextMetrics;

namespace Serving.Training.Tests.TextMetrics;

public sealed class ExposureBiasTests
{
    private const int Resamples = 200;

    [Fact]
    public void Distances_AreAsDefined()
    {
        Assert.Equal(1, ExposureBias.TotalVariation([1, 0], [0, 1]));
        Assert.Equal(0.1, ExposureBias.TotalVariation([0.8, 0.2], [0.9, 0.1]), 1e-12);
        Assert.Equal(Math.Log(2), ExposureBias.JensenShannon([1, 0], [0, 1]), 1e-12);
        Assert.Equal(0, ExposureBias.JensenShannon([0.3, 0.7], [0.3, 0.7]), 1e-12);

        // Middle 3/4, 1/4: half of ln(4/3), and half of 1/2 ln(2/3) + 1/2 ln 2.
        Assert.Equal(
            (Math.Log(4.0 / 3) + (0.5 * Math.Log(2.0 / 3)) + (0.5 * Math.Log(2))) / 2,
            ExposureBias.JensenShannon([1, 0], [0.5, 0.5]), 1e-12);
    }

    /// <summary>
    /// Chains of two states from the first on: data stays there with 0.9, the model with 0.8, and both leave the second
    /// with 0.5. Distances are 0.1 in the first state, and 0 in the second.
    /// </summary>
    [Theory]
    [InlineData(80, 90, 0.88889)] // Behind one step: 0.8 and 0.9 are in the first state.
    [InlineData(74, 86, 0.86047)] // Behind two: 0.8² + 0.2 / 2, 0.9² + 0.1 / 2.
    public void Consistency_OfAChain_IsAsComputedByHand(int own, int real, double expected)
    {
        var estimate = ExposureBias.Consistency(Distances(own), Distances(real), Resamples, key: 1);

        Assert.Equal(expected, estimate.Value!.Value, 1e-5);
        Assert.InRange(expected, estimate.Low!.Value, estimate.High!.Value);
        Assert.InRange(estimate.High.Value - estimate.Low.Value, 0.05, 0.5);
        Assert.Equal(estimate, ExposureBias.Consistency(Distances(own), Distances(real), Resamples, key: 1));

        static List<double> Distances(int first) =>
            [.. Enumerable.Repeat(0.1, first), .. Enumerable.Repeat(0.0, 100 - first)];
    }

    [Fact]
    public void Consistency_OfTheTeacherItself_IsNotDefined()
    {
        var estimate = ExposureBias.Consistency([0, 0], [0, 0], Resamples, key: 1);
        Assert.Equal(new(null, null, null), estimate);
        Assert.Throws<ArgumentException>(() => ExposureBias.Consistency([0], [0, 1], Resamples, key: 1));
    }

    [Fact]
    public void Quality_OfTheSameTexts_IsOne_AndOfPoorerOnesIsNot()
    {
        List<ReadOnlyMemory<int>> rich = [.. Enumerable.Range(0, 40).Select(
            i => (ReadOnlyMemory<int>)Enumerable.Range(i, 20).ToArray())];
        List<ReadOnlyMemory<int>> poor = [.. rich.Select(
            text => (ReadOnlyMemory<int>)text.ToArray().Select(token => token % 5).ToArray())];
        double Score(IReadOnlyList<ReadOnlyMemory<int>> texts) => Diversity.Entropy(texts, 2);

        var same = ExposureBias.Quality(rich, rich, Score, Resamples, key: 1);
        var biased = ExposureBias.Quality(rich, poor, Score, Resamples, key: 1);

        Assert.Equal(1, same.Value);
        Assert.InRange(1, same.Low!.Value, same.High!.Value);
        Assert.Equal(Score(rich) / Score(poor), biased.Value!.Value, 1e-12);
        Assert.True(biased.Low > 1.5, $"{biased}");
    }
}
