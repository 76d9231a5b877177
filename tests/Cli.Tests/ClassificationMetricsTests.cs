namespace Serving.Cli.Tests;

public sealed class ClassificationMetricsTests
{
    [Fact]
    public void TwoLabels_AreCountedByHand()
    {
        // True positives 3, false positives 1, false negatives 2, true negatives 4.
        (int, int)[] pairs = [(1, 1), (1, 1), (1, 1), (0, 1), (1, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0)];
        var metrics = ClassificationMetrics.Of(pairs, labels: 2);
        Assert.Equal(0.7, metrics.Accuracy, 12);
        Assert.Equal(6.0 / 9.0, metrics.F1!.Value, 12); // 2 TP / (2 TP + FP + FN)
        Assert.Equal(((6.0 / 9.0) + (8.0 / 11.0)) / 2, metrics.MacroF1, 12); // Of the other: 2 TN / (2 TN + FP + FN)
        Assert.Equal(((3 * 4) - (1 * 2)) / Math.Sqrt(4 * 5 * 5 * 6), metrics.Matthews, 12);
    }

    [Fact]
    public void ThreeLabels_TakeTheMeanAndRk()
    {
        (int, int)[] pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (2, 2), (2, 0)];
        var metrics = ClassificationMetrics.Of(pairs, labels: 3);
        Assert.Equal(4.0 / 6.0, metrics.Accuracy, 12);
        Assert.Equal(((2.0 / 4) + (4.0 / 5) + (2.0 / 3)) / 3, metrics.MacroF1, 12);
        Assert.Null(metrics.F1);

        // Right 2, 2, 2; predicted 2, 3, 1; (4 * 6 - 12) / sqrt((36 - 12) (36 - 14))
        Assert.Equal(12 / Math.Sqrt(24 * 22), metrics.Matthews, 12);
    }

    [Fact]
    public void OneLabelOnly_HasNoCorrelation()
    {
        Assert.Equal(0, ClassificationMetrics.Of([(0, 0), (0, 0)], labels: 2).Matthews);
        Assert.Equal(1, ClassificationMetrics.Of([(0, 0), (1, 1)], labels: 2).Matthews, 12);
        Assert.Equal(-1, ClassificationMetrics.Of([(0, 1), (1, 0)], labels: 2).Matthews, 12);
    }
}
