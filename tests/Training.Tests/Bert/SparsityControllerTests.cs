using Serving.Training.Bert;

namespace Serving.Training.Tests.Bert;

public sealed class SparsityControllerTests
{
    private static readonly MaskSettings Settings = new() { InitialSparsity = 0.1, FinalSparsity = 0.5 };

    /// <summary>By hand, of 100 steps: 0.5 - 0.4 (1 - (t - 10) / 70)³.</summary>
    [Theory]
    [InlineData(1, 0.1)]
    [InlineData(10, 0.1)]
    [InlineData(45, 0.45)] // 0.5 - 0.4 / 8
    [InlineData(80, 0.5)]
    [InlineData(100, 0.5)]
    public void Target_RisesInACubicCurve(long step, double expected)
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(backend, model, Settings, seed: 1);
        using var controller = new SparsityController(backend, scores, Settings, steps: 100);
        Assert.Equal(expected, controller.Target(step), 12);
        Assert.Equal(step >= 80, controller.HasArrived(step));
    }

    /// <summary>Each score moves sparsity by -1 / N; central differences of the penalty in that.</summary>
    [Fact]
    public void Apply_AddsThePenaltysGradient()
    {
        const double h = 1e-3;
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(backend, model, Settings, seed: 1);
        scores.TrainAll();
        using var controller = new SparsityController(backend, scores, Settings, steps: 100)
        {
            State = new(3, 0, 0)
        };
        var count = scores.Masked.Sum(masked => masked.Rows * masked.Columns);
        foreach (var (name, _, _) in scores.Masked)
            backend.Fill(scores.GradientOf(name), 0.25f);

        controller.Apply(step: 80);

        var expected = (Penalty(h) - Penalty(-h)) / (2 * h);
        Assert.True(expected > 0); // Too few are dropped, so scores fall.
        foreach (var (name, _, _) in scores.Masked)
        {
            Assert.All(
                scores.GradientOf(name).ToArray(),
                gradient => Assert.Equal(0.25 + expected, gradient, 1e-6));
        }

        double Penalty(double move) =>
            3 * Math.Sqrt(count) * Math.Pow(0.5 - (scores.Sparsity() - (move / count)), 2);
    }

    /// <summary>While the gradient stays the same, Adam's steps are as long as its rate.</summary>
    [Fact]
    public void Apply_RaisesTheMultiplier()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        var settings = Settings with { SparsityRate = 0.2 };
        using var scores = BertScores.Create(backend, model, settings, seed: 1);
        scores.TrainAll();
        using var controller = new SparsityController(backend, scores, settings, steps: 1);
        controller.Apply(step: 1);
        Assert.Equal(0.2, controller.State.Multiplier, 1e-6);
        controller.Apply(step: 2);
        Assert.Equal(0.4, controller.State.Multiplier, 1e-6);
    }

    [Fact]
    public void Sparsity_CountsWhatIsDropped()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(
            backend, model, new() { Initialization = ScoreInitialization.Magnitude, InitialSparsity = 0.25 }, seed: 1);
        Assert.Equal(0.25, scores.Sparsity(), 12);
    }
}
