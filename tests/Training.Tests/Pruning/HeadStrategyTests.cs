using Serving.Models.Bert;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

public sealed class HeadStrategyTests
{
    private static readonly BertConfig Config = Small.Config with { Layers = 6, Hidden = 24, Heads = 4 };

    private static readonly PartImportance Importance = new(
        [.. Enumerable.Range(0, 6).Select(layer => Enumerable.Range(0, 4)
            .Select(head => (double)(((layer * 4) + head) * 7 % 24)).ToArray())],
        new double[6]);

    [Fact]
    public void Choose_IsExact_AndLeavesFeedForwardLayers()
    {
        foreach (var strategy in Enum.GetValues<HeadStrategy>())
        {
            for (var count = 0; count <= 24; count++)
            {
                var pruned = strategy.Choose(Config, count, seed: 3, Importance);
                Assert.Equal((strategy, count), (strategy, pruned.HeadCount()));
                Assert.Null(pruned.Problem(Config));
                Assert.Empty(pruned.FeedForward);
            }
        }
    }

    /// <summary>8 of 24 heads are those of two layers.</summary>
    [Theory]
    [InlineData(HeadStrategy.Top, new[] { 4, 5 })]
    [InlineData(HeadStrategy.Bottom, new[] { 0, 1 })]
    [InlineData(HeadStrategy.Middle, new[] { 2, 3 })]
    [InlineData(HeadStrategy.Spread, new[] { 1, 4 })]
    public void Choose_ByLayer_TakesWholeLayers(HeadStrategy strategy, int[] layers) =>
        Assert.Equal(layers, Layers(strategy.Choose(Config, 8, seed: 1, importance: null)));

    [Fact]
    public void Choose_Consecutive_TakesNeighbours_AnyOfThem()
    {
        var firsts = new HashSet<int>();
        for (var seed = 0UL; seed < 60; seed++)
        {
            var layers = Layers(HeadStrategy.Consecutive.Choose(Config, 12, seed, importance: null));
            Assert.Equal([layers[0], layers[0] + 1, layers[0] + 2], layers);
            firsts.Add(layers[0]);
        }

        Assert.Equal([0, 1, 2, 3], firsts.Order());
    }

    [Fact]
    public void Choose_ByImportance_TakesOppositeHalves_AndByChance_DependsOnTheSeed()
    {
        var (most, least) = (Heads(HeadStrategy.ImportantFirst), Heads(HeadStrategy.UnimportantFirst));
        Assert.Empty(most.Intersect(least));
        Assert.True(most.Min(unit => Importance.Heads[unit.Layer][unit.Head])
            > least.Max(unit => Importance.Heads[unit.Layer][unit.Head]));
        Assert.NotEqual(Heads(HeadStrategy.Random, seed: 1), Heads(HeadStrategy.Random, seed: 2));
        Assert.Equal(Heads(HeadStrategy.Random, seed: 1), Heads(HeadStrategy.Random, seed: 1));
    }

    private static List<(int Layer, int Head)> Heads(HeadStrategy strategy, ulong seed = 0) =>
    [
        .. strategy.Choose(Config, 12, seed, Importance).Heads
            .SelectMany((heads, layer) => heads.Select(head => (layer, head)))
    ];

    private static List<int> Layers(PrunedParts pruned) =>
        [.. Enumerable.Range(0, pruned.Heads.Count).Where(layer => pruned.Heads[layer].Count > 0)];
}
