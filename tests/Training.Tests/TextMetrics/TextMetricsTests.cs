using Serving.Training.TextMetrics;

namespace Serving.Training.Tests.TextMetrics;

/// <summary>Measures of texts on examples that are computed by hand.</summary>
public sealed class TextMetricsTests
{
    [Theory]
    [InlineData(new[] { 1, 2, 3, 4, 1, 2, 3, 4, 5 }, 1, 4 / 9.0)] // 5 of 9 are distinct.
    [InlineData(new[] { 1, 2, 3, 4, 1, 2, 3, 4, 5 }, 2, 3 / 8.0)]
    [InlineData(new[] { 1, 2, 3, 4, 1, 2, 3, 4, 5 }, 3, 2 / 7.0)]
    [InlineData(new[] { 1, 2, 3, 4, 1, 2, 3, 4, 5 }, 4, 1 / 6.0)]
    [InlineData(new[] { 7, 7, 7, 7, 7, 7, 7, 7 }, 4, 0.8)] // One of 5.
    [InlineData(new[] { 7, 7, 7 }, 4, 0)]
    public void SequenceRate_IsTheShareThatCameBefore(int[] tokens, int n, double expected) =>
        Assert.Equal(expected, Repetition.SequenceRate(tokens, n), 1e-12);

    [Theory]
    [InlineData(new[] { 1, 2, 1, 2, 1, 2 }, true, false)] // Two tokens, three times.
    [InlineData(new[] { 1, 2, 3, 1, 2, 3 }, false, true)] // Three tokens, twice.
    [InlineData(new[] { 9, 1, 2, 3, 1, 2, 3, 1, 2, 3 }, true, true)]
    [InlineData(new[] { 1, 2, 3, 1, 2, 3, 4 }, false, false)] // Not at the end.
    [InlineData(new[] { 5 }, false, false)]
    [InlineData(new int[0], false, false)]
    public void Loops_AtTheEnd_AreFound(int[] tokens, bool byPaper, bool byCode)
    {
        Assert.Equal(byPaper, Repetition.EndsInPhrase(tokens));
        Assert.Equal(byCode, Repetition.EndsInLoop(tokens));
    }

    [Fact]
    public void Loops_OfOneToken_AreFoundIfTheyAreLong()
    {
        Assert.True(Repetition.EndsInLoop([.. Enumerable.Repeat(1, 60)]));
        Assert.False(Repetition.EndsInLoop([.. Enumerable.Repeat(1, 50)]));
        Assert.True(Repetition.EndsInPhrase([.. Enumerable.Repeat(1, 6)])); // "1 1", three times.
    }

    [Fact]
    public void Distinct_CountsOverAllTexts()
    {
        ReadOnlyMemory<int>[] texts = [new[] { 1, 2, 1, 2 }, new[] { 1, 2, 3 }];
        Assert.Equal(3 / 7.0, Diversity.Distinct(texts, 1));
        Assert.Equal(3 / 5.0, Diversity.Distinct(texts, 2)); // 1 2 three times, 2 1, 2 3
        Assert.Equal(0, Diversity.Distinct(texts, 5));
        Assert.Equal(3, Diversity.Unique(texts));
    }

    [Fact]
    public void Entropy_IsThatOfFrequencies()
    {
        ReadOnlyMemory<int>[] texts = [new[] { 1, 1, 2 }, new[] { 3 }];
        Assert.Equal(1.5 * Math.Log(2), Diversity.Entropy(texts, 1), 1e-12); // 1/2, 1/4, 1/4
        Assert.Equal(0, Diversity.Entropy([], 2));
    }

    [Theory]
    [InlineData(new long[] { 120, 60, 40, 30, 24 }, 1)] // 120 / rank
    [InlineData(new long[] { 1, 2, 8, 4 }, 1.459022)]
    [InlineData(new long[] { 7, 7, 7 }, 0)]
    public void Zipf_IsTheSlopeOfLogarithms(long[] counts, double expected) =>
        Assert.Equal(expected, Diversity.Zipf(counts), 1e-6);

    [Fact]
    public void Zipf_OfTexts_CountsTheirTokens()
    {
        ReadOnlyMemory<int>[] texts = [new[] { 4, 4, 4, 4, 4, 4, 4, 4, 5, 5 }, new[] { 5, 5, 6, 6, 7 }];
        Assert.Equal(1.459022, Diversity.Zipf(texts), 1e-6); // 8, 4, 2, 1
        Assert.Equal(double.NaN, Diversity.Zipf((ReadOnlyMemory<int>[])[new[] { 4, 4 }]));
    }

    [Fact]
    public void SelfBleu_OfEqualTexts_IsOne_AndOfStrangers_IsZero()
    {
        ReadOnlyMemory<int> text = new[] { 1, 2, 3, 4, 5 };
        Assert.Equal(1, SelfBleu.Of([text, text, text], 4), 1e-12);
        Assert.Equal(0, SelfBleu.Of([text, new[] { 6, 7, 8, 9 }], 4));
        Assert.Throws<ArgumentException>(() => SelfBleu.Of([text], 4));
    }

    [Fact]
    public void SelfBleu_OfThreeTexts_IsAsComputedByHand()
    {
        ReadOnlyMemory<int>[] texts = [new[] { 1, 2, 3, 3 }, new[] { 1, 2, 4 }, new[] { 5, 3 }];

        // The first has 1, 2 and one of two 3s in others: 3/4; of its pairs 1 2: 1/3; it is the longest.
        // The second has 1, 2 of three: 2/3; of its pairs 1 2: 1/2; the shorter of 2 and 4 is nearest.
        // The third has 3 of two: 1/2; no pair: 0.1 / 1; beside 3 tokens it is brief: e^(1 - 3/2).
        var expected = (Math.Sqrt(3.0 / 4 / 3) + Math.Sqrt(2.0 / 3 / 2) + (Math.Exp(-0.5) * Math.Sqrt(0.5 * 0.1))) / 3;
        Assert.Equal(expected, SelfBleu.Of(texts, 2), 1e-12);
    }

    [Theory]
    [InlineData(2, 3, 3)]
    [InlineData(16, 4, 3)]
    public void Predictions_ThatRepeatTheText_AreCounted(int window, int repeated, int wrongly)
    {
        int[] predictions = [5, 5, 6, 5, 6];
        int[] targets = [5, 6, 5, 7, 6];
        Assert.Equal(repeated, NextTokens.Repeated(predictions, targets, window));
        Assert.Equal(wrongly, NextTokens.WronglyRepeated(predictions, targets, window));
        Assert.Equal(window == 2 ? 1 : 2, NextTokens.Repeated(targets, targets, window)); // Of the text itself.
    }
}
