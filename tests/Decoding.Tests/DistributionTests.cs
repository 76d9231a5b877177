namespace Serving.Decoding.Tests;

/// <summary>What is drawn, against the probabilities that the twin has: Pearson's chi-square test.</summary>
public sealed class DistributionTests
{
    private const int Draws = 100_000;
    private const double StandardNormalAt1In10000 = 3.719;

    private static readonly float[] Logits = [2.5f, -1, 0.3f, 2.5f, 1.9f, -0.7f, 0, 1.2f, 0.3f, -2, 3.1f, 1.1f];

    public static TheoryData<string> Cases => [.. SamplingCases.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Draws_FollowTheProbabilitiesThatTheyClaim(string name)
    {
        var options = SamplingCases.All[name] with { Seed = 7, MaxTokens = Draws };
        AssertFollow(options, [], SortedTwin.Probabilities(Logits, options));
    }

    /// <summary>With penalties that count only the prompt's tokens: the answer's would change with each draw.</summary>
    [Fact]
    public void Draws_UnderPenaltiesAndBans_FollowTheChangedProbabilities()
    {
        var options = new SamplingOptions
        {
            RepetitionPenalty = 1.5,
            FrequencyPenalty = 0.25,
            PresencePenalty = 0.5,
            TopK = 9,
            MaxTokens = 1,
            LogitBias = new Dictionary<int, double> { [2] = 1 },
            BadWords = [[5], [1, 10]]
        };
        float[] changed = [.. Logits];
        changed[2] += 1;
        changed[0] = (2.5f / 1.5f) - (2 * 0.25f) - 0.5f; // Twice in the prompt.
        changed[1] = (-1 * 1.5f) - 0.25f - 0.5f;
        changed[5] = changed[10] = float.NegativeInfinity;
        AssertFollow(options, [0, 0, 1], SortedTwin.Probabilities(changed, options));
    }

    private static void AssertFollow(
        SamplingOptions options, int[] prompt, SortedDictionary<int, double> probabilities)
    {
        var workspace = new SamplingWorkspace(Logits.Length);
        var counts = new int[Logits.Length];
        TokenSampler? sampler = null;
        for (var draw = 0; draw < Draws; draw++)
        {
            if (sampler is null || sampler.IsFull)
            {
                sampler = new(
                    options with { Seed = (ulong)(draw + 1) }, prompt, Logits.Length, contextTokens: Draws + 10);
            }

            counts[sampler.Next([.. Logits], workspace).Token]++;
        }

        Assert.All(
            Enumerable.Range(0, counts.Length).Where(id => !probabilities.ContainsKey(id)),
            id => Assert.Equal(0, counts[id]));
        Assert.All(probabilities.Values, probability => Assert.True(probability * Draws >= 5));
        var statistic = probabilities.Sum(pair =>
            Math.Pow(counts[pair.Key] - (pair.Value * Draws), 2) / (pair.Value * Draws));
        Assert.True(
            statistic <= CriticalValue(probabilities.Count - 1),
            $"chi-square is {statistic} at {probabilities.Count - 1} degrees of freedom.");
    }

    /// <summary>Exceeded once in 10,000 (Wilson and Hilferty 1931).</summary>
    private static double CriticalValue(int degrees)
    {
        if (degrees == 0)
            return 0;
        var part = 2.0 / (9 * degrees);
        return degrees * Math.Pow(1 - part + (StandardNormalAt1In10000 * Math.Sqrt(part)), 3);
    }
}
