using Serving.Models;
using Serving.Models.Bert;
using Serving.Training.Bert;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Bert;

public sealed class BertScoresTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.05)]
    [InlineData(0.7)]
    public void Create_Uniform_DropsTheFractionAskedFor(double sparsity)
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(backend, model, new() { InitialSparsity = sparsity }, seed: 1);
        Assert.Equal(BertTensors.Maskable(model.Config), scores.Masked);
        foreach (var (name, rows, columns) in scores.Masked)
        {
            var count = (double)rows * columns;
            var dropped = 1 - (BitMask.PopCount(scores.Bits(name)) / count);
            var deviation = Math.Sqrt(sparsity * (1 - sparsity) / count);
            Assert.InRange(dropped, sparsity - (5 * deviation), sparsity + (5 * deviation));
        }
    }

    /// <summary>Kolmogorov and Smirnov: the largest distance of the distributions, at a risk of 1e-4.</summary>
    [Fact]
    public void Create_Uniform_IsUniform()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(backend, model, new(), seed: 1);
        float[] values = [.. scores.ScoresOf(BertTensors.Weight(1, BertMatrix.Output)).ToArray().Order()];
        const double lowest = -0.02; // With the paper's threshold 0.01, scale 0.02 and 5%: from -0.02 to 0.58.
        const double width = 0.6;
        var distance =
            values.Select((value, i) => Math.Abs(((value - lowest) / width) - ((i + 0.5) / values.Length))).Max();
        Assert.True(distance < 2.23 / Math.Sqrt(values.Length));
        using var other = BertScores.Create(backend, model, new(), seed: 2);
        Assert.NotEqual(values[0], other.ScoresOf(BertTensors.Weight(1, BertMatrix.Output)).ToArray().Min());
    }

    [Fact]
    public void Create_ByMagnitude_DropsTheSmallestWeights()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(
            backend, model, new() { Initialization = ScoreInitialization.Magnitude, InitialSparsity = 0.25 }, seed: 1);
        var name = BertTensors.Weight(0, BertMatrix.Key);
        var (_, rows, columns) = scores.Masked.Single(masked => masked.Name == name);
        var weights = new float[rows * columns];
        model.Read(name, rows, columns, 0, weights);
        var bits = scores.Bits(name);
        bool IsKept(int i) => ((bits[i / 8] >> (i % 8)) & 1) != 0;
        var kept = Enumerable.Range(0, weights.Length).ToLookup(IsKept, i => Math.Abs(weights[i]));
        Assert.Equal(weights.Length / 4, kept[false].Count());
        Assert.True(kept[false].Max() <= kept[true].Min());
    }

    [Fact]
    public void Create_SomeMatrices_MasksOnlyThose()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(backend, model, new()
        {
            Matrices = [BertMatrix.Value, BertMatrix.Output],
            Layers = [1],
            MasksPooler = false,
            InitialSparsity = 0.5
        }, seed: 1);
        Assert.Equal(
            [BertTensors.Weight(1, BertMatrix.Value), BertTensors.Weight(1, BertMatrix.Output)],
            scores.Masked.Select(masked => masked.Name));
        var (stack, firstRow, _) = model.Find(BertTensors.Weight(1, BertMatrix.Value));
        var ofStack = scores.Through(stack).Scores;
        // Queries and keys are all kept.
        Assert.All(ofStack.Slice(0, firstRow).ToArray(), score => Assert.True(score > 1));
    }

    [Fact]
    public void Create_BadSettings_SayWhatIsNeeded()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        Refused("initial_sparsity: It is 1; it must be 0 to below 1.", new() { InitialSparsity = 1 });
        Refused("initial_sparsity: It is NaN; it must be 0 to below 1.", new() { InitialSparsity = double.NaN });
        Refused("threshold: It is 0; it must be above 0 and below 1.", new() { Threshold = 0 });
        Refused("scale: It is -1; it must be above 0 and below 1.", new() { Scale = -1 });
        Refused("layers: Layer 3 is to be masked; the model has layers 0 to 2.", new() { Layers = [3] });
        Refused("layers: No matrix is to be masked; choose at least one.", new() { Layers = [], MasksPooler = false });

        void Refused(string message, MaskSettings settings) =>
            Assert.Equal(
                message,
                Assert.Throws<SettingException>(() => BertScores.Create(backend, model, settings, seed: 1)).Message);
    }
}
