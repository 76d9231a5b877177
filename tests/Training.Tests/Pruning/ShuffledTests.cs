using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Training.Bert;
using Serving.Training.Pruning;

namespace Serving.Training.Tests.Pruning;

public sealed class ShuffledTests
{
    private static readonly InitialParameters Weights = new(seed: 1);

    /// <summary>All matrices of a layer come from one and the same other layer; nothing else moves.</summary>
    [Fact]
    public void Layers_MoveAsAWhole()
    {
        var shuffled = new ShuffledLayers(Weights, Small.Config, seed: 2);
        var sources = new List<int>();
        for (var layer = 0; layer < Small.Config.Layers; layer++)
        {
            var query = Read(shuffled, layer, BertMatrix.Query);
            var source = Enumerable.Range(0, Small.Config.Layers)
                .Single(other => query.SequenceEqual(Read(Weights, other, BertMatrix.Query)));
            Assert.All(
                Enum.GetValues<BertMatrix>(),
                matrix => Assert.Equal(Read(Weights, source, matrix), Read(shuffled, layer, matrix)));
            sources.Add(source);
        }

        Assert.Equal(Enumerable.Range(0, Small.Config.Layers), sources.Order());
        Assert.NotEqual(Enumerable.Range(0, Small.Config.Layers), sources);
        var hidden = Small.Config.Hidden;
        Assert.Equal(
            Read(Weights, BertTensors.PoolerWeight, hidden, hidden),
            Read(shuffled, BertTensors.PoolerWeight, hidden, hidden));
    }

    /// <summary>Of two layers half of all orders are that of before.</summary>
    [Fact]
    public void Layers_AreNeverInTheirOwnOrder()
    {
        var two = Small.Config with { Layers = 2 };
        for (var seed = 0UL; seed < 10; seed++)
        {
            Assert.Equal(
                Read(Weights, 1, BertMatrix.Query), Read(new ShuffledLayers(Weights, two, seed), 0, BertMatrix.Query));
        }

        Assert.Throws<ArgumentOutOfRangeException>(
            () => new ShuffledLayers(Weights, two with { Layers = 1 }, seed: 0));
    }

    [Fact]
    public void Weights_StayInTheirMatrix_InAnotherOrder()
    {
        var tensors = WeightMasks.Prunable(Small.Config, Pooling.Pooler);
        var shuffled = new ShuffledWeights(Weights, tensors, seed: 2);
        foreach (var (name, rows, columns) in tensors)
        {
            var (before, after) = (Read(Weights, name, rows, columns), Read(shuffled, name, rows, columns));
            Assert.NotEqual(before, after);
            Assert.Equal(before.Order(), after.Order());
            var lastRow = new float[columns];
            shuffled.Read(name, rows, columns, rows - 1, lastRow);
            Assert.Equal(after[^columns..], lastRow);
        }

        Assert.Equal(
            Read(Weights, BertTensors.WordEmbeddings, Small.Config.Vocab, Small.Config.Hidden),
            Read(shuffled, BertTensors.WordEmbeddings, Small.Config.Vocab, Small.Config.Hidden));
    }

    private static float[] Read(IParameterSource weights, int layer, BertMatrix matrix)
    {
        var (rows, columns) = BertTensors.Shape(Small.Config, matrix);
        return Read(weights, BertTensors.Weight(layer, matrix), rows, columns);
    }

    private static float[] Read(IParameterSource weights, string name, int rows, int columns)
    {
        var values = new float[rows * columns];
        weights.Read(name, rows, columns, 0, values);
        return values;
    }
}
