using Serving.Testing;

namespace Serving.Decoding.Tests;

public sealed class TokenSamplerTests
{
    private const int Vocab = 1000;

    private static readonly SamplingOptions Everything = new()
    {
        Temperature = 1.2,
        TopK = 100,
        TopP = 0.95,
        MinP = 0.001,
        TypicalP = 0.95,
        EpsilonCutoff = 1e-5,
        EtaCutoff = 1e-5,
        RepetitionPenalty = 1.1,
        FrequencyPenalty = 0.1,
        PresencePenalty = 0.1,
        NoRepeatNgramSize = 3,
        BadWords = [[4, 5]],
        LogitBias = new Dictionary<int, double> { [7] = 1 },
        StopTokens = [0],
        MinTokens = 5,
        MaxTokens = 5000,
        Seed = 42,
        TopLogProbabilities = 5
    };

    [Fact]
    public void Next_SameSeed_GivesTheSameTokens()
    {
        Assert.Equal(Tokens(Everything), Tokens(Everything));
        Assert.NotEqual(Tokens(Everything), Tokens(Everything with { Seed = 43 }));
        Assert.NotEqual(Tokens(Everything), Tokens(Everything, answer: 1));
    }

    [Fact]
    public void Next_OptionsThatAreOff_DrawAsWithoutThem()
    {
        var pure = new SamplingOptions { Seed = 3 };
        Assert.Equal(Tokens(pure), Tokens(pure with { TopK = Vocab }));
        Assert.Equal(Tokens(pure), Tokens(pure with { MinP = 1e-300, TopP = Math.BitDecrement(1.0) }));
    }

    public static TheoryData<string> GreedyCases => ["temperature 0", "temperature 0.0001", "top-k 1", "top-p 0.0001"];

    [Theory]
    [MemberData(nameof(GreedyCases))]
    public void Next_NoChoiceLeft_IsGreedy(string name)
    {
        var options = name switch
        {
            "temperature 0" => new SamplingOptions { Temperature = 0 },
            "temperature 0.0001" => new() { Temperature = 1e-4 },
            "top-k 1" => new() { TopK = 1 },
            _ => new() { TopP = 1e-4 }
        };
        var random = new Random(1);
        int[] expected =
            [.. Enumerable.Range(0, 20).Select(_ => Logits(random)).Select(l => Array.IndexOf(l, l.Max()))];
        Assert.Equal(expected, Tokens(options));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1e-4)]
    [InlineData(1.0)]
    [InlineData(1000.0)]
    public void Next_ExtremeLogits_GivesATokenThatIsAllowed(double temperature)
    {
        foreach (var topP in (double[])[1e-4, 0.5, 1])
        {
            var options = new SamplingOptions { Temperature = temperature, TopP = topP };
            Assert.Equal(2, Next(options, [float.NegativeInfinity, float.NegativeInfinity, -5]));
            Assert.Equal(1, Next(options, [float.MinValue, float.MaxValue, float.MinValue]));
            Assert.Equal(1, Next(options, [float.NegativeInfinity, float.MinValue, float.NegativeInfinity]));
            Assert.InRange(Next(options, [float.MaxValue, float.MaxValue, float.MaxValue]), 0, 2);
            Assert.InRange(Next(options, [0, 0, 0]), 0, 2);
            Assert.Equal(0, Next(options, [3]));
        }
    }

    [Fact]
    public void Next_GreedyOfEqualLogits_TakesTheLowestId() =>
        Assert.Equal(1, Next(new() { Temperature = 0 }, [0, 5, 5, 5, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]));

    [Theory]
    [InlineData(3)]
    [InlineData(40)]
    public void Next_LogitsThatAreNoNumbers_SaysWhich(int vocab)
    {
        float[] logits = new float[vocab];
        logits[2] = float.NaN;
        Assert.StartsWith(
            $"1 of {vocab} logits are NaN or +infinity, the first that of token 2; finite ones are needed.",
            Error(logits), StringComparison.Ordinal);
        logits[1] = logits[2] = float.PositiveInfinity;
        Assert.StartsWith(
            $"2 of {vocab} logits are NaN or +infinity, the first that of token 1", Error(logits),
            StringComparison.Ordinal);
        logits.AsSpan().Fill(float.NaN);
        Assert.StartsWith($"{vocab} of {vocab} logits", Error(logits), StringComparison.Ordinal);
        logits.AsSpan().Fill(float.NegativeInfinity);
        Assert.Equal(
            $"All {vocab} logits are -infinity; at least one token must be left. Ban fewer tokens.", Error(logits));

        static string Error(float[] logits) =>
            Assert.Throws<LogitsException>(() => Next(new(), [.. logits])).Message;
    }

    [Fact]
    public void Next_LogProbabilities_AreTheModels()
    {
        // Probabilities 1/8, 4/8, 2/8, 1/8, whatever is done to them.
        float[] logits = [0, MathF.Log(4), MathF.Log(2), 0];
        var options = new SamplingOptions
        {
            Temperature = 0,
            TopLogProbabilities = 3,
            LogitBias = new Dictionary<int, double> { [0] = 10 }
        };
        var workspace = new SamplingWorkspace(4);

        var token = new TokenSampler(options, [], 4, contextTokens: 4).Next(logits, workspace);

        Assert.Equal(0, token.Token);
        Assert.Equal(Math.Log(1 / 8.0), token.LogProbability!.Value, 1e-6);
        Assert.Equal([1, 2, 0], workspace.Top.ToArray().Select(top => top.Token));
        Assert.Equal(Math.Log(0.5), workspace.Top[0].LogProbability, 1e-6);
        Assert.Equal(Math.Log(0.25), workspace.Top[1].LogProbability, 1e-6);
    }

    [Fact]
    public void Next_StopTokenOrNoRoom_IsSaid()
    {
        var workspace = new SamplingWorkspace(2);
        var sampler = new TokenSampler(
            new() { Temperature = 0, StopTokens = [1], MaxTokens = 2 }, [0], 2, contextTokens: 100);
        Assert.False(sampler.Next([1, 0], workspace).IsStop);
        Assert.False(sampler.IsFull);
        Assert.True(sampler.Next([0, 1], workspace).IsStop);
        Assert.True(sampler.IsFull);
        Assert.Equal([0, 0, 1], sampler.Tokens.ToArray());
        Assert.Throws<InvalidOperationException>(() => sampler.Next([0, 1], workspace));
        Assert.True(new TokenSampler(new() { MaxTokens = int.MaxValue }, [0, 1], 2, contextTokens: 2).IsFull);
    }

    [Fact]
    public void Next_OnceWarm_AllocatesNothing()
    {
        var random = new Random(1);
        float[][] logits = [.. Enumerable.Range(0, 10).Select(_ => Logits(random))];
        var working = new float[Vocab];
        var workspace = new SamplingWorkspace(Vocab);
        var sampler = new TokenSampler(Everything, [1, 2, 3], Vocab, contextTokens: 10_000);
        var at = 0;
        Assert.Equal(0, Allocations.OnceWarm(Choose, runs: 100));

        void Choose()
        {
            logits[at++ % logits.Length].CopyTo(working, 0);
            sampler.Next(working, workspace);
        }
    }

    private static int[] Tokens(SamplingOptions options, int answer = 0)
    {
        var random = new Random(1);
        var workspace = new SamplingWorkspace(Vocab);
        var sampler = new TokenSampler(options, [], Vocab, contextTokens: 100, answer);
        return [.. Enumerable.Range(0, 20).Select(_ => sampler.Next(Logits(random), workspace).Token)];
    }

    private static float[] Logits(Random random) =>
        [.. Enumerable.Range(0, Vocab).Select(_ => (float)(random.NextDouble() * 10))];

    private static int Next(SamplingOptions options, float[] logits) =>
        new TokenSampler(options, [], logits.Length, contextTokens: 10)
            .Next(logits, new(logits.Length)).Token;
}
