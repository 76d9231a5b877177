namespace Serving.Tensors.Torch.Tests;

public sealed class LengthBucketTests
{
    [Fact]
    public void Of_SequencesOfEqualLengths_AreTogether()
    {
        int[] queries = [0, 2, 4, 5, 7];
        int[] keys = [0, 3, 6, 7, 10];

        var buckets = LengthBucket.Of(queries, keys);

        // Sequences 0, 1 and 3 have two queries and three keys, 2 has one of each.
        Assert.Equal([(2, 3), (1, 1)], buckets.Select(bucket => (bucket.Queries, bucket.Keys)));
        var (first, second) = (buckets.First(), buckets.Last());
        Assert.Equal([0, 1, 3], first.Sequences);
        Assert.False(first.IsAdjacent);
        Assert.True(second.IsAdjacent);
        Assert.Equal([0, 1, 2, 3, 5, 6], first.Rows(queries, 2));
        Assert.Equal([0, 1, 2, 3, 6, 7], first.Heads(2));
    }
}
