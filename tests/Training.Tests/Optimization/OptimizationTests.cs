using Serving.Training.Autograd;
using Serving.Training.Optimization;

namespace Serving.Training.Tests.Optimization;

public sealed class OptimizationTests
{
    [Fact]
    public void Schedule_GoldenValues()
    {
        var linear = new LearningRateSchedule(1f, Decay.Linear, WarmUpSteps: 2, TotalSteps: 6);
        Assert.Equal([0.5f, 1f, 1f, 0.75f, 0.5f, 0.25f], Enumerable.Range(1, 6).Select(step => linear.At(step)));
        var cosine = linear with { Decay = Decay.Cosine };
        Assert.Equal(0.5f, cosine.At(5), 1e-6f);
        Assert.Equal((1 + MathF.Sqrt(0.5f)) / 2, cosine.At(4), 1e-6f);
        var constant = linear with { Decay = Decay.None };
        Assert.Equal([0.5f, 1f, 1f, 1f], ((int[])[1, 2, 3, 100]).Select(step => constant.At(step)));
        // Past the end nothing turns negative.
        Assert.Equal([0f, 0f], ((int[])[7, 1000]).Select(step => linear.At(step)));
    }

    /// <summary>Izsak et al. 2021: a day, 6% of it warm-up, a peak of 1e-3.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.72, 5e-4)]
    [InlineData(1.44, 1e-3)]
    [InlineData(12, 5.3191489e-4)]
    [InlineData(24, 0)]
    [InlineData(30, 0)]
    public void BudgetSchedule_GoldenValues(double hours, double expected) =>
        Assert.Equal(
            expected, new BudgetSchedule(1e-3f, TimeSpan.FromDays(1), 0.06).At(TimeSpan.FromHours(hours)), 1e-9);

    [Fact]
    public void BudgetSchedule_OfAShortBudget_DoesNotJump()
    {
        var schedule = new BudgetSchedule(1f, TimeSpan.FromMinutes(30), 0.06);
        Assert.Equal(1f, schedule.At(TimeSpan.FromMinutes(1.8)), 1e-6f);
        Assert.InRange(schedule.At(TimeSpan.FromMinutes(1.81)), 0.999f, 1f);
    }

    [Fact]
    public void Step_LargeGradients_AreScaledTogether()
    {
        using var backend = Small.Backend();
        using var a = new Parameter("a", backend.Allocate(1, 1), decays: true);
        using var b = new Parameter("b", backend.Allocate(1, 2), decays: false);
        using var frozen = new Parameter("frozen", backend.Allocate(1, 1), decays: true);
        a.Train(backend);
        b.Train(backend);
        a.Gradient.CopyFrom([3f]);
        b.Gradient.CopyFrom([0f, 4f]);
        using var optimizer = new AdamOptimizer(backend, [a, b, frozen], new() { MaxGradientNorm = 1, Epsilon = 1f });

        Assert.Equal(5, optimizer.Step(0.1f), 1e-5);

        // The first step is lr g / (|g| + epsilon), with g scaled to a norm of 1: 0.6 and 0.8.
        Assert.Equal(-0.1f * 0.6f / 1.6f, a.Value.ToArray()[0], 1e-6f);
        Assert.Equal(-0.1f * 0.8f / 1.8f, b.Value.ToArray()[1], 1e-6f);
        Assert.Equal([0f, 0f, 0f], [.. a.Gradient.ToArray(), .. b.Gradient.ToArray()]);
        Assert.Equal(0f, frozen.Value.ToArray()[0]);
    }

    [Fact]
    public void Step_WeightDecay_SparesBiases()
    {
        using var backend = Small.Backend();
        using var weight = new Parameter("weight", backend.Allocate(1, 1), decays: true);
        using var bias = new Parameter("bias", backend.Allocate(1, 1), decays: false);
        foreach (var parameter in (Parameter[])[weight, bias])
        {
            parameter.Train(backend);
            parameter.Value.CopyFrom([2f]);
        }

        using var optimizer = new AdamOptimizer(backend, [weight, bias], new() { WeightDecay = 0.1f });
        optimizer.Step(0.5f);
        Assert.Equal(2f * 0.95f, weight.Value.ToArray()[0], 1e-6f);
        Assert.Equal(2f, bias.Value.ToArray()[0]);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Step_GradientThatIsNoNumber_MovesNothingAndNamesIt(float value)
    {
        using var backend = Small.Backend();
        using var good = new Parameter("good", backend.Allocate(1, 1), decays: true);
        using var bad = new Parameter("bad", backend.Allocate(1, 2), decays: true);
        good.Train(backend);
        bad.Train(backend);
        good.Gradient.CopyFrom([1f]);
        bad.Gradient.CopyFrom([1f, value]);
        using var optimizer = new AdamOptimizer(backend, [good, bad], new());

        var diverged = Assert.Throws<DivergedException>(() => optimizer.Step(0.1f));

        Assert.Equal("The gradient of 'bad' is no finite number at step 1.", diverged.Message);
        Assert.Equal(0f, good.Value.ToArray()[0]);
    }
}
