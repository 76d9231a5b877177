using Serving.Models.Bert;
using Serving.Training.Bert;

namespace Serving.Training.Tests.Bert;

public sealed class InitialBertWeightsTests
{
    private static readonly BertConfig Config =
        new() { Vocab = 50, Hidden = 384, Layers = 2, Heads = 6, Inner = 768, MaxPositions = 256 };

    [Fact]
    public void Neighbors_HeadsOfTheFirstLayer_LookAtTheTokensAround()
    {
        var weights = new InitialParameters(3, Config, Initialization.Neighbors);
        var positions = Normalized(Read(weights, BertTensors.PositionEmbeddings, Config.MaxPositions));
        var queries = Product(positions, Read(weights, BertTensors.Weight(0, BertMatrix.Query), Config.Hidden));
        var keys = Product(positions, Read(weights, BertTensors.Weight(0, BertMatrix.Key), Config.Hidden));
        int[] offsets = [-1, 1, -2, 2, -3, 3];
        for (var head = 0; head < Config.Heads; head++)
        {
            for (var position = 5; position < Config.MaxPositions - 5; position += 10)
            {
                var scores = keys.Select(key => Score(queries[position], key, head)).ToList();
                Assert.Equal(position + offsets[head], scores.IndexOf(scores.Max()));
            }
        }
    }

    [Fact]
    public void Neighbors_ElsewhereAndNormal_AreTheSameNumbers()
    {
        var normal = new InitialParameters(3);
        var neighbors = new InitialParameters(3, Config, Initialization.Neighbors);
        (string, int)[] others =
        [
            (BertTensors.WordEmbeddings, Config.Vocab), (BertTensors.Weight(0, BertMatrix.Value), 384),
            (BertTensors.Weight(1, BertMatrix.Query), 384)
        ];
        foreach (var (name, rows) in others)
            Assert.Equal(Read(normal, name, rows), Read(neighbors, name, rows));
        var values = Read(normal, BertTensors.WordEmbeddings, Config.Vocab).SelectMany(row => row).ToList();
        Assert.InRange(Math.Sqrt(values.Average(value => value * value)), 0.0195, 0.0205);
        Assert.Contains(
            "shape",
            Assert.Throws<ArgumentException>(() => new InitialParameters(3, null, Initialization.Neighbors)).Message);
    }

    private static float[][] Read(InitialParameters weights, string name, int rows)
    {
        var values = new float[rows * Config.Hidden];

        // In two parts, as loaders may: a part must know where it is.
        var half = rows / 2;
        weights.Read(name, rows, Config.Hidden, 0, values.AsSpan(0, half * Config.Hidden));
        weights.Read(name, rows, Config.Hidden, half, values.AsSpan(half * Config.Hidden));
        return [.. values.Chunk(Config.Hidden)];
    }

    private static float[][] Normalized(float[][] rows) =>
        [.. rows.Select(row => row.Select(value => value / (float)Math.Sqrt(row.Average(v => v * v))).ToArray())];

    private static float[][] Product(float[][] inputs, float[][] weight) =>
        [.. inputs.Select(input => weight.Select(row => row.Zip(input, (a, b) => a * b).Sum()).ToArray())];

    private static float Score(float[] query, float[] key, int head)
    {
        var size = Config.Hidden / Config.Heads;
        return query.Skip(head * size).Take(size).Zip(key.Skip(head * size), (a, b) => a * b).Sum();
    }
}
