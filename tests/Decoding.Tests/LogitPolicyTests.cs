namespace Serving.Decoding.Tests;

/// <summary>Changes of logits, by hand.</summary>
public sealed class LogitPolicyTests
{
    private const float Banned = float.NegativeInfinity;

    [Fact]
    public void RepetitionPenalty_DividesPositiveAndMultipliesNegativeLogits() => Assert.Equal(
        [1, -4, 0, 3, Banned],
        Adjusted([2, -2, 0, 3, Banned], new() { RepetitionPenalty = 2 }, [0, 1, 2, 0, 4]));

    [Fact]
    public void RepetitionPenalty_OfHugeLogits_StaysFinite() => Assert.Equal(
        [float.MaxValue, float.MinValue],
        Adjusted([float.MaxValue, float.MinValue], new() { RepetitionPenalty = 0.01 }, [0])
            .Zip(Adjusted([0, float.MinValue], new() { RepetitionPenalty = 100 }, [1]), (a, b) => (a, b))
            .SelectMany((pair, i) => i == 0 ? new[] { pair.a } : [pair.b]));

    [Fact]
    public void Penalties_SubtractForEachTimeAndOnce() => Assert.Equal(
        [0.25f, 0.75f, 2], // 2 - 3 * 0.25 - 1, 2 - 0.25 - 1
        Adjusted([2, 2, 2], new() { FrequencyPenalty = 0.25, PresencePenalty = 1 }, [0, 1, 0, 0]));

    [Fact]
    public void Penalties_WithoutThePrompt_CountTheAnswerAlone()
    {
        var options = new SamplingOptions { PresencePenalty = 1, PenalizePrompt = false };
        Assert.Equal([2, 1], Adjusted([2, 2], options, prompt: [0], answer: [1]));
        Assert.Equal([1, 1], Adjusted([2, 2], options with { PenalizePrompt = true }, prompt: [0], answer: [1]));
    }

    [Theory]
    [InlineData(3, new[] { 1, 2, 3, 1, 2 }, new[] { 3 })]
    [InlineData(2, new[] { 1, 2, 1, 3, 1 }, new[] { 2, 3 })]
    [InlineData(1, new[] { 1, 2 }, new[] { 1, 2 })]
    [InlineData(4, new[] { 1, 2, 1 }, new int[0])]
    [InlineData(2, new[] { 0 }, new int[0])]
    public void NoRepeatNgram_BansWhatWouldCompleteOne(int size, int[] tokens, int[] banned)
    {
        var logits = Adjusted([1, 1, 1, 1], new() { NoRepeatNgramSize = size }, tokens);
        Assert.Equal(banned, Enumerable.Range(0, 4).Where(id => logits[id] == Banned));
    }

    [Fact]
    public void NoRepeatNgram_WithNoOtherTokenLeft_BansNone() =>
        Assert.Equal([1, Banned, 3], Adjusted([1, Banned, 3], new() { NoRepeatNgramSize = 1 }, [0, 2]));

    [Fact]
    public void BadWords_BanTheTokenThatWouldCompleteOne()
    {
        var options = new SamplingOptions { BadWords = [[0], [1, 2], [3, 1, 3]] };
        Assert.Equal([Banned, 1, Banned, 1], Adjusted([1, 1, 1, 1], options, [2, 1]));
        Assert.Equal([Banned, 1, Banned, Banned], Adjusted([1, 1, 1, 1], options, [3, 1]));
        Assert.Equal([Banned, 1, 1, 1], Adjusted([1, 1, 1, 1], options, []));
    }

    [Fact]
    public void MinTokens_BansStopTokensUntilThereAreSoMany()
    {
        var options = new SamplingOptions { MinTokens = 2, StopTokens = [0] };
        Assert.Equal([Banned, 1], Adjusted([1, 1], options, prompt: [1, 1, 1], answer: [1]));
        Assert.Equal([1, 1], Adjusted([1, 1], options, prompt: [], answer: [1, 1]));
    }

    [Fact]
    public void LogitBias_IsAddedBeforeThePenalty() => Assert.Equal(
        [2, 1], // (1 + 3) / 2
        Adjusted(
            [1, 1],
            new() { LogitBias = new Dictionary<int, double> { [0] = 3 }, RepetitionPenalty = 2 }, [0]));

    private static float[] Adjusted(float[] logits, SamplingOptions options, int[] prompt, params int[] answer)
    {
        var history = new TokenHistory(options, prompt, logits.Length, contextTokens: 100);
        foreach (var token in answer)
            history.Append(token);
        new SamplingPipeline(options).Adjust(logits, history);
        return logits;
    }
}
