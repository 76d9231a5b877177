using Serving.Decoding.Beams;
using Serving.Tensors;
using Serving.Testing;

namespace Serving.Decoding.Tests.Beams;

/// <summary>The search over a model of few tokens, whose logits follow from all tokens before.</summary>
public sealed class BeamSearchTests
{
    private const int Vocab = 5;
    private const int End = 4;
    private const int Context = 100;
    private static readonly int[] Prompt = [2];

    public static TheoryData<int, double, EarlyStopping, int> Cases()
    {
        var cases = new TheoryData<int, double, EarlyStopping, int>();
        foreach (var beams in new[] { 1, 2, 3, 4 })
        {
            foreach (var penalty in new[] { 0.0, 0.6, 1, 2, -1 })
            {
                foreach (var stopping in Enum.GetValues<EarlyStopping>())
                    cases.Add(beams, penalty, stopping, beams);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Search_AnyOptions_IsThePlainSearch(int beams, double penalty, EarlyStopping stopping, int firstSeed)
    {
        for (var seed = firstSeed; seed < firstSeed + 20; seed++)
        {
            var options = new BeamOptions(beams, penalty, stopping);
            var expected = PlainBeamSearch.Run(
                options, Prompt, maxTokens: 7, End, tokens => Array.ConvertAll(Logits(seed, tokens), x => (double)x));

            var found = Run(options, new() { MaxTokens = 7, StopTokens = [End] }, seed);

            Assert.Equal(expected.Select(text => text.Tokens), found.Select(text => text.Tokens));
            foreach (var (plain, text) in expected.Zip(found))
                Assert.Equal(plain.Score, text.Score, 1e-5);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1.5)]
    public void Search_MoreBeamsThanTexts_FindsTheBestOfAll(double penalty)
    {
        const int maxTokens = 4; // 4^3 beams go on at most in front of the last token, 5 texts each.
        for (var seed = 0; seed < 10; seed++)
        {
            var best = AllTexts(seed, maxTokens, penalty).OrderByDescending(text => text.Score).Take(10).ToList();

            var found = Run(
                new(400, penalty, EarlyStopping.WhenCertain), new() { MaxTokens = maxTokens, StopTokens = [End] },
                seed);

            Assert.Equal(best.Select(text => text.Tokens), found.Take(10).Select(text => text.Tokens));
            Assert.Equal(best[0].Score, found[0].Score, 1e-5);
        }
    }

    [Fact]
    public void Search_OneBeam_IsGreedy()
    {
        var sampling = new SamplingOptions { MaxTokens = 9, Temperature = 0, RepetitionPenalty = 1 };
        var sampler = new TokenSampler(sampling, Prompt, Vocab, Context);
        var workspace = new SamplingWorkspace(Vocab);
        for (var i = 0; i < 9; i++)
            sampler.Next(Logits(3, sampler.Tokens), workspace);

        var text = Assert.Single(Run(new(1), sampling, seed: 3));

        Assert.Equal(sampler.Tokens[1..].ToArray(), text.Tokens);
        Assert.Equal(BeamEnd.MostTokens, text.End);
        Assert.Equal(text.LogProbabilities.Average(), text.Score, 1e-6);
    }

    [Fact]
    public void Search_BansAndLeastTokens_HoldForEachBeam()
    {
        var sampling = new SamplingOptions { MaxTokens = 8, MinTokens = 4, NoRepeatNgramSize = 2, StopTokens = [End] };

        foreach (var text in Run(new(4), sampling, seed: 5))
        {
            Assert.True(text.Tokens.Length >= 4);
            int[] all = [.. Prompt, .. text.Tokens];
            var pairs = all.Zip(all.Skip(1)).ToList();
            Assert.Equal(pairs.Count, pairs.Distinct().Count());
        }
    }

    [Fact]
    public void Search_AStopString_EndsATextAmongTheBest()
    {
        var sampling = new SamplingOptions { MaxTokens = 8 };
        var stop = Run(new(3), sampling, seed: 6)[0].Tokens[2..4];

        var found = Run(new(3), sampling, seed: 6, tokens => tokens.AsSpan().IndexOf(stop) >= 0);

        Assert.Contains(found, text => text.End == BeamEnd.StopString);
        foreach (var text in found)
        {
            var at = text.Tokens.AsSpan().IndexOf(stop);
            Assert.Equal(text.End == BeamEnd.StopString ? text.Tokens.Length - 2 : -1, at);
        }
    }

    [Fact]
    public void Search_AllBanned_Says()
    {
        var bias = Enumerable.Range(0, Vocab).Select(token => (IReadOnlyList<int>)[token]).ToList();
        Assert.Throws<LogitsException>(() => Run(new(2), new() { BadWords = bias }, seed: 1));
    }

    private static IReadOnlyList<BeamText> Run(
        BeamOptions options, SamplingOptions sampling, int seed, Func<int[], bool>? endsAtStop = null)
    {
        var search = new BeamSearch(options, sampling, Prompt, Vocab, Context, endsAtStop);
        var workspace = new SamplingWorkspace(Vocab);
        var isReplaced = new bool[options.Count];
        while (!search.IsDone)
        {
            for (var slot = 0; slot < options.Count; slot++)
            {
                if (search.Wants(slot))
                    search.Take(slot, Logits(seed, search.TokensOf(slot)), workspace, isReplaced);
            }
        }

        return search.Best;
    }

    /// <summary>All texts, complete or of the most tokens, with their scores.</summary>
    private static List<(int[] Tokens, double Score)> AllTexts(int seed, int maxTokens, double penalty)
    {
        var texts = new List<(int[], double)>();
        Add([], 0);
        return texts;

        void Add(int[] answer, double sum)
        {
            if (answer.Length == maxTokens || (answer.Length > 0 && answer[^1] == End))
            {
                texts.Add((answer, sum / Math.Pow(answer.Length, penalty)));
                return;
            }

            var logits = Logits(seed, [.. Prompt, .. answer]);
            var logSum = Math.Log(logits.Sum(logit => Math.Exp(logit)));
            for (var token = 0; token < Vocab; token++)
                Add([.. answer, token], sum + logits[token] - logSum);
        }
    }

    private static float[] Logits(int seed, ReadOnlySpan<int> tokens)
    {
        var key = (ulong)seed + 1;
        foreach (var token in tokens)
            key = (key * 31) + (ulong)token + 1;
        return [.. Enumerable.Range(0, Vocab).Select(id => (float)(1.5 * CounterRandom.Normal(key, (ulong)id)))];
    }
}
