using FsCheck;
using FsCheck.Fluent;

namespace Serving.Decoding.Tests;

/// <summary>The tokens that are kept, against sorting, by hand, and by what must hold of them.</summary>
public sealed class CandidatesTests
{
    /// <summary>ln of 1/2, 1/4, 1/8, 1/16, 1/16, whose sums are exact.</summary>
    private static readonly float[] Halves =
        [.. new[] { 8, 4, 2, 1, 1 }.Select(part => (float)(Math.Log2(part) * LogOf2))];

    private const double LogOf2 = 0.693147182464599609375; // As a float, so that all logits are exact multiples.

    private static readonly Gen<float[]> Logits = Gen.NonEmptyListOf(Gen.Choose(-40, 40).Select(i => i / 8f))
        .Select(logits => logits.ToArray());

    private static readonly Gen<SamplingOptions> Options =
        from topK in Gen.Choose(0, 20)
        from topP in Gen.Choose(1, 100)
        from minP in Gen.Choose(0, 100)
        from typicalP in Gen.Choose(1, 100)
        from temperature in Gen.Elements(0.1, 0.7, 1, 1.9)
        select new SamplingOptions
        {
            Temperature = temperature,
            TopK = topK,
            TopP = topP / 100.0,
            MinP = minP / 300.0,
            TypicalP = typicalP / 100.0
        };

    public static TheoryData<string> Cases => [.. SamplingCases.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Kept_AreThoseOfTheSortedTwin(string name)
    {
        var random = new Random(11);
        foreach (var vocab in (int[])[1, 2, 7, 8, 9, 31, 33, 100, 257, 1000, 3001])
        {
            for (var run = 0; run < 10; run++)
            {
                // Every other run has many equal logits, and some banned tokens.
                float[] logits = [.. Enumerable.Range(0, vocab).Select(_ => run % 2 == 0
                    ? (float)(random.NextDouble() * 10)
                    : random.Next(12) is var i and > 0 ? i : float.NegativeInfinity)];
                logits[random.Next(vocab)] = 11;
                AssertIsTwins(logits, SamplingCases.All[name]);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    [InlineData(100)]
    [InlineData(5000)]
    [InlineData(20_000)]
    public void TopK_OfAnyOrder_IsThatOfTheSortedTwin(int topK)
    {
        const int vocab = 20_000;
        var options = new SamplingOptions { TopK = topK, Temperature = 3 };
        float[] ascending = [.. Enumerable.Range(0, vocab).Select(i => i / 1000f)];
        AssertIsTwins(ascending, options);
        AssertIsTwins([.. ascending.Reverse()], options);
        AssertIsTwins([.. Enumerable.Repeat(1f, vocab)], options);
        AssertIsTwins([.. ascending.Select(logit => MathF.Round(logit))], options);
    }

    [Theory]
    [InlineData(1e-9, 1)]
    [InlineData(0.5, 1)]
    [InlineData(0.5001, 2)]
    [InlineData(0.75, 2)]
    [InlineData(0.875, 3)]
    [InlineData(0.9, 4)] // 1/2 + 1/4 + 1/8 = 7/8 is below, so the fourth crosses.
    [InlineData(0.95, 5)]
    public void TopP_KeepsTheTokenThatCrosses(double topP, int kept) =>
        Assert.Equal(
            Enumerable.Range(0, kept), SamplingCases.Probabilities(Halves, new() { TopP = topP }).Keys);

    [Fact]
    public void TopK_OfEqualTokens_KeepsTheLowerIds() =>
        Assert.Equal([0, 1, 2, 3], SamplingCases.Probabilities(Halves, new() { TopK = 4 }).Keys);

    /// <summary>Otherwise which of them comes first would depend on where they are.</summary>
    [Fact]
    public void Weights_OfEqualLogits_AreEqual_WhereverTheyAre()
    {
        var candidates = new Candidates(70);
        for (var vocab = 1; vocab <= 70; vocab++)
        {
            for (var eighths = 1; eighths < 80; eighths++)
            {
                float[] logits = [.. Enumerable.Repeat(-eighths / 8f, vocab)];
                logits[0] = 0;
                candidates.Load(logits, topK: 0, temperature: 0.7);
                Assert.True(candidates.Weights[1..].IndexOfAnyExcept(candidates.Weights[^1]) < 0);
            }
        }
    }

    [Fact]
    public void MinP_IsAPartOfTheHighest() =>
        Assert.Equal([0, 1, 2], SamplingCases.Probabilities(Halves, new() { MinP = 0.24 }).Keys); // 1/8 of 1/2 is 0.25

    [Fact]
    public void Kept_ForAnyOptions_AreThoseOfTheSortedTwin() => Prop.ForAll(
        Logits.ToArbitrary(), Options.ToArbitrary(), AssertIsTwins).QuickCheckThrowOnFailure();

    [Fact]
    public void TopP_Kept_HaveItsMassAndNoTokenTooMany() => Prop.ForAll(
        Logits.ToArbitrary(), Gen.Choose(1, 99).ToArbitrary(),
        (logits, percent) =>
        {
            var topP = percent / 100.0;
            var all = SamplingCases.Probabilities(logits, new());
            var kept = SamplingCases.Probabilities(logits, new() { TopP = topP }).Keys.Select(id => all[id]).ToList();
            Assert.True(kept.Sum() >= topP - 1e-12);
            Assert.True(kept.Sum() - kept.Min() < topP + 1e-12);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void TopP_OfLessMass_KeepsFewerOfTheSame() => Prop.ForAll(
        Logits.ToArbitrary(), Gen.Choose(1, 50).ToArbitrary(), Gen.Choose(51, 100).ToArbitrary(),
        (logits, less, more) => Assert.Subset(
            SamplingCases.Probabilities(logits, new() { TopP = more / 100.0 }).Keys.ToHashSet(),
            SamplingCases.Probabilities(logits, new() { TopP = less / 100.0 }).Keys.ToHashSet()))
        .QuickCheckThrowOnFailure();

    [Fact]
    public void Draw_AtAnyPoint_GivesATokenThatIsKept() => Prop.ForAll(
        Logits.ToArbitrary(), Options.ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(),
        (logits, options, point) =>
        {
            var candidates = new Candidates(logits.Length);
            new SamplingPipeline(options).Select(logits, candidates);
            var token = candidates.Draw(Math.Min(point / 1000.0, Math.BitDecrement(1.0)));
            Assert.True(SortedTwin.Probabilities(logits, options)[token] > 0);
        }).QuickCheckThrowOnFailure();

    private static void AssertIsTwins(float[] logits, SamplingOptions options)
    {
        var expected = SortedTwin.Probabilities(logits, options);
        var actual = SamplingCases.Probabilities(logits, options);
        Assert.Equal(expected.Keys, actual.Keys);
        Assert.All(actual, pair => Assert.Equal(expected[pair.Key], pair.Value, 1e-12));
    }
}
