using Serving.Training.Loop;

namespace Serving.Training.Tests.Loop;

public sealed class DataOrderTests
{
    [Fact]
    public void Of_EachEpoch_HasEveryItemOnce_InAnOrderOfItsOwn()
    {
        var order = new DataOrder(items: 10, batchSize: 4, dropsIncomplete: false, seed: 1);
        Assert.Equal(3, order.StepsPerEpoch);
        var epochs = ((int[])[0, 1]).Select(epoch => Items(order, epoch)).ToList();
        Assert.All(epochs, items => Assert.Equal(Enumerable.Range(0, 10), items.Order()));
        Assert.NotEqual(epochs[0], epochs[1]);
        Assert.Equal(2, order.Of(6, out _).Length); // The rest of the second epoch.
    }

    [Fact]
    public void Of_DroppingWhatIsIncomplete_HasFullBatchesOnly()
    {
        var order = new DataOrder(items: 10, batchSize: 4, dropsIncomplete: true, seed: 1);
        Assert.Equal(2, order.StepsPerEpoch);
        Assert.All(Enumerable.Range(1, 6), step => Assert.Equal(4, order.Of(step, out _).Length));
    }

    /// <summary>A run that resumes asks for a step without those before.</summary>
    [Fact]
    public void Of_AStepInTheMiddle_IsTheSameWithoutThoseBefore()
    {
        var whole = new DataOrder(items: 10, batchSize: 4, dropsIncomplete: false, seed: 1);
        _ = Items(whole, epoch: 0);
        var resumed = new DataOrder(items: 10, batchSize: 4, dropsIncomplete: false, seed: 1);
        Assert.Equal(whole.Of(5, out var epoch).ToArray(), resumed.Of(5, out var same).ToArray());
        Assert.Equal((1, 1), (epoch, same));
    }

    private static List<int> Items(DataOrder order, int epoch)
    {
        var items = new List<int>();
        for (var step = 1; step <= order.StepsPerEpoch; step++)
        {
            items.AddRange(order.Of((epoch * order.StepsPerEpoch) + step, out var actual));
            Assert.Equal(epoch, actual);
        }

        return items;
    }
}
