using Serving.Training.Vae;

namespace Serving.Training.Tests.Vae;

public sealed class KlScheduleTests
{
    [Fact]
    public void Cyclical_BeginsEachCycleAtZero_AndIsOneFromTheRiseOn()
    {
        var schedule = new KlSchedule { Cycles = 2 };
        double[] cycle = [0, 0.25, 0.5, 0.75, 1, 1, 1, 1];
        Assert.Equal([.. cycle, .. cycle], Weights(schedule, 16));
    }

    /// <summary>Cycles of 10/3 steps begin at steps 0, 3 1/3 and 6 2/3: places 0, 0.3, 0.6, 0.9; 0.2, 0.5, 0.8; ...
    /// </summary>
    [Fact]
    public void Cyclical_OfCyclesThatDoNotDivideTheSteps_KeepsTheirPlaces()
    {
        double[] expected = [0, 0.6, 1, 1, 0.4, 1, 1, 0.2, 0.8, 1];
        AssertClose(expected, Weights(new() { Cycles = 3 }, 10));
    }

    [Fact]
    public void Monotonic_IsOneCycle_AndConstantIsOne()
    {
        AssertClose([0, 0.4, 0.8, 1, 1, 1, 1, 1, 1, 1], Weights(
            new() { Annealing = KlAnnealing.Monotonic, Cycles = 4, Rise = 0.25 }, 10));
        Assert.Equal(
            Weights(new() { Annealing = KlAnnealing.Monotonic, Rise = 0.3 }, 100),
            Weights(new() { Cycles = 1, Rise = 0.3 }, 100));
        Assert.All(Weights(new() { Annealing = KlAnnealing.Constant }, 10), weight => Assert.Equal(1, weight));
    }

    [Fact]
    public void Rise_AtItsBounds_IsOneStepOrAll()
    {
        Assert.Equal([0, 1, 1, 1, 1], Weights(new() { Cycles = 1, Rise = 1e-9 }, 5));
        AssertClose([0, 0.2, 0.4, 0.6, 0.8], Weights(new() { Cycles = 1, Rise = 1 }, 5));
    }

    [Fact]
    public void Shapes_AreAsInThePapersCode()
    {
        // Places 0, 1/4, 1/2, 3/4 of the rise; 1/(1 + e^6), 1/(1 + e^3), 1/2, 1/(1 + e^-3).
        AssertClose([0.0024726, 0.0474259, 0.5, 0.9525741, 1], Weights(
            new() { Cycles = 1, Shape = KlShape.Sigmoid }, 8)[..5]);
        AssertClose([0, 0.1464466, 0.5, 0.8535534, 1], Weights(
            new() { Cycles = 1, Shape = KlShape.Cosine }, 8)[..5]);
    }

    private static double[] Weights(KlSchedule schedule, int steps) =>
        [.. Enumerable.Range(1, steps).Select(step => schedule.Weight(step, steps))];

    private static void AssertClose(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-7));
    }
}
