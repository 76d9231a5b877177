using Serving.Models.Bert;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

public sealed class PartSetTests
{
    private static readonly BertConfig Config = Small.Config; // 3 layers of 3 heads.

    private static readonly PartImportance Importance =
        new([[0.5, 0.1, 0.9], [0.1, 0.3, 0.2], [0.8, 0.7, 0.6]], [0.4, 0.2, 0.4]);

    private static PartSet All => PartSet.Of(Config, pruned: null);

    [Fact]
    public void Prune_TakesTheLeastImportant_OfEqualOnesTheFirst()
    {
        var first = All.Prune(Importance, heads: 3, feedForward: 1).ToPruned();
        AssertParts([[1], [0, 2], []], [1], first);
        var second = PartSet.Of(Config, first).Prune(Importance, heads: 2, feedForward: 1);
        AssertParts([[0, 1], [0, 1, 2], []], [0, 1], second.ToPruned());
        Assert.Equal((4, 1), (second.Heads, second.FeedForward));
        var none = second.Prune(Importance, heads: 9, feedForward: 9);
        Assert.Equal((0, 0), (none.Heads, none.FeedForward));
        AssertParts([[0, 1, 2], [0, 1, 2], [0, 1, 2]], [0, 1, 2], none.ToPruned());
    }

    [Fact]
    public void RandomAndBad_HaveTheSizeOfTheGoodOne_AndTheBadOneWhatThatLeavesOut()
    {
        // 9 heads: with 5 kept, the bad one has the 4 others and one of the 5; with 3 kept, 3 of the 6 others.
        foreach (var (heads, layers, shared) in ((int, int, int)[])[(5, 2, 1), (3, 1, 0)])
        {
            var good = All.Prune(Importance, 9 - heads, 3 - layers);
            for (var seed = 0UL; seed < 20; seed++)
            {
                var (random, bad) = (good.Random(seed, All), good.Bad(seed, All));
                Assert.Equal((heads, layers), (random.Heads, random.FeedForward));
                Assert.Equal((heads, layers), (bad.Heads, bad.FeedForward));
                Assert.Equal(shared, Kept(good).Intersect(Kept(bad)).Count());
            }

            Assert.True(
                Enumerable.Range(0, 20).Select(seed => string.Join(' ', Kept(good.Random((ulong)seed, All))))
                    .Distinct().Count() > 10);
        }
    }

    /// <summary>What was pruned before does not come back.</summary>
    [Fact]
    public void RandomAndBad_AreOfWhatTheSourceKeeps()
    {
        var source = All.Prune(Importance, heads: 3, feedForward: 1);
        var good = source.Prune(Importance, heads: 3, feedForward: 1);
        for (var seed = 0UL; seed < 20; seed++)
        {
            foreach (var other in (PartSet[])[good.Random(seed, source), good.Bad(seed, source)])
            {
                Assert.Equal((3, 1), (other.Heads, other.FeedForward));
                Assert.Subset(Kept(source).ToHashSet(), Kept(other).ToHashSet());
                Assert.Contains(1, other.ToPruned().FeedForward);
            }

            Assert.Empty(Kept(good).Intersect(Kept(good.Bad(seed, source))));
        }
    }

    private static List<(int, int)> Kept(PartSet parts)
    {
        var pruned = parts.ToPruned();
        return
        [
            .. Enumerable.Range(0, Config.Layers).SelectMany(layer => Enumerable.Range(0, Config.Heads)
                .Where(head => !pruned.Heads[layer].Contains(head)).Select(head => (layer, head)))
        ];
    }

    private static void AssertParts(int[][] heads, int[] feedForward, PrunedParts found)
    {
        Assert.Equal(heads, found.Heads);
        Assert.Equal(feedForward, found.FeedForward);
    }
}
