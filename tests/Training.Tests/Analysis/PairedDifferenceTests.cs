using Serving.Training.Analysis;

namespace Serving.Training.Tests.Analysis;

public sealed class PairedDifferenceTests
{
    /// <summary>Differences 1, 2, 3: mean 2, deviation 1, and 2.92 / sqrt(3) = 1.68586 to each side.</summary>
    [Fact]
    public void Of_ByHand()
    {
        var difference = PairedDifference.Of([2, 4, 6], [1, 2, 3])!;
        Assert.Equal(2, difference.Mean);
        Assert.Equal(0.3141, difference.Lower, tolerance: 1e-4);
        Assert.Equal(3.6859, difference.Upper, tolerance: 1e-4);
        Assert.False(difference.IsWithin(3.6));
        Assert.True(difference.IsWithin(3.7));
        Assert.Null(PairedDifference.Of([1], [1]));
        Assert.Equal(new(0, 0, 0), PairedDifference.Of([1, 5], [1, 5]));
    }
}
