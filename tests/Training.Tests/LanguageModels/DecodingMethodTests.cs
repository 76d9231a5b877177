using Serving.Tensors;
using Serving.Training.LanguageModels;

namespace Serving.Training.Tests.LanguageModels;

/// <summary>Which tokens are kept, and how often each is drawn.</summary>
public sealed class DecodingMethodTests
{
    private const int Draws = 20_000;

    /// <summary>Probabilities 1/2, 1/4, 1/8, 1/16, 1/16, in another order of ids.</summary>
    private static readonly float[] Logits = [.. new[] { 0.0625, 0.5, 0.125, 0.25, 0.0625 }.Select(
        p => (float)Math.Log(p))];

    public static TheoryData<DecodingMethod, int[]> Methods => new()
    {
        { new(0), [1] },
        { new(1), [0, 1, 2, 3, 4] },
        { new(0.5), [0, 1, 2, 3, 4] },
        { new(1, TopK: 1), [1] },
        { new(1, TopK: 3), [1, 2, 3] },
        { new(1, TopK: 4), [0, 1, 2, 3] }, // Of the two least likely the one with the lower id.
        { new(1, TopK: 99), [0, 1, 2, 3, 4] },
        { new(1, TopP: 1e-9), [1] },
        { new(1, TopP: 0.45), [1] },
        { new(1, TopP: 0.6), [1, 3] }, // The token that crosses is kept.
        { new(1, TopP: 0.74), [1, 3] },
        { new(1, TopP: 0.8), [1, 2, 3] },
        { new(1, TopP: 0.9), [0, 1, 2, 3] },
        { new(1, TopP: 0.99), [0, 1, 2, 3, 4] },
        { new(1, TopK: 2, TopP: 0.9), [1, 3] }
    };

    [Theory]
    [MemberData(nameof(Methods))]
    public void Choose_DrawsWhatIsKept_AsOftenAsItIsLikely(DecodingMethod method, int[] kept)
    {
        var counts = new int[Logits.Length];
        for (var i = 0; i < Draws; i++)
            counts[method.Choose(Logits, CounterRandom.Uniform(1, (ulong)i))]++;

        double[] weights = [.. Logits.Select((logit, id) => !kept.Contains(id)
            ? 0
            : method.Temperature == 0 ? 1 : Math.Exp(logit / method.Temperature))];
        for (var id = 0; id < counts.Length; id++)
        {
            var p = weights[id] / weights.Sum();
            Assert.Equal(Draws * p, counts[id], 5 * Math.Sqrt(Draws * p * (1 - p)));
        }
    }

    [Fact]
    public void Choose_AtTheEdges_TakesATokenThatIsKept()
    {
        Assert.Equal(4, new DecodingMethod(1).Choose(Logits, 1 - 1e-17));
        Assert.Equal(0, new DecodingMethod(1).Choose(Logits, 0));
        Assert.Equal(3, new DecodingMethod(1, TopK: 2).Choose(Logits, 1 - 1e-17));
        Assert.Equal(1, new DecodingMethod(0).Choose([0, 5, 5, 1], 0.9));
    }

    [Fact]
    public void Name_SaysWhatIsNotNeutral()
    {
        Assert.Equal("greedy", new DecodingMethod(0).Name);
        Assert.Equal("sampling", new DecodingMethod(1).Name);
        Assert.Equal("temperature 0.7, top-k 40", new DecodingMethod(0.7, TopK: 40).Name);
        Assert.Equal("top-p 0.95", new DecodingMethod(1, TopP: 0.95).Name);
    }
}
