using Serving.Training.Loop;

namespace Serving.Training.Tests.Loop;

public sealed class LossHistoryTests
{
    [Fact]
    public void Jump_IsFarAboveTheLatestLosses()
    {
        var losses = new LossHistory();
        Assert.False(losses.IsJump(100, out _)); // Nothing is usual yet.
        foreach (var loss in (double[])[0.7, 0.6, 0.65, 0.7])
        {
            Assert.False(losses.IsJump(loss, out _));
            losses.Add(loss);
        }

        Assert.False(losses.IsJump(2, out _)); // 3 times the median, 0.675, is 2.025.
        Assert.True(losses.IsJump(2.1, out var usual));
        Assert.Equal(0.675, usual, 1e-12);
    }

    /// <summary>Late in training a single hard example among easy ones is nothing to look at.</summary>
    [Fact]
    public void Jump_IsNotSmallBesideTheFirstLosses()
    {
        var losses = new LossHistory();
        foreach (var loss in (double[])[0.7, 0.7, 0.7])
            losses.Add(loss);
        for (var i = 0; i < 20; i++)
            losses.Add(0.001);
        Assert.False(losses.IsJump(0.3, out _));
        Assert.True(losses.IsJump(0.4, out _));
    }

    [Fact]
    public void Jump_IsFarOutsideOfHowLossesVary()
    {
        var losses = new LossHistory();
        for (var i = 0; i < 20; i++)
            losses.Add(i % 2 == 0 ? 0.5 : 1.5); // The median is 1, the median deviation from it 0.5.
        Assert.False(losses.IsJump(4.9, out _)); // 1 + 8 · 0.5 = 5
        Assert.True(losses.IsJump(5.1, out _));
    }

    [Fact]
    public void Jumps_BeyondTheTenth_AreNotTold()
    {
        var losses = new LossHistory();
        foreach (var loss in (double[])[1, 1, 1])
            losses.Add(loss);
        Assert.Equal(10, Enumerable.Range(0, 20).Count(_ => losses.IsJump(9, out var _)));
    }

    [Fact]
    public void Recent_AreTheLatestTwenty()
    {
        var losses = new LossHistory();
        for (var i = 0; i < 30; i++)
            losses.Add(i);
        Assert.Equal(Enumerable.Range(10, 20).Select(i => (double)i), losses.Recent);
    }
}
