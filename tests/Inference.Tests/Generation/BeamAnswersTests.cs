using Serving.Decoding;
using Serving.Decoding.Beams;
using Serving.Inference.Generation;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Testing;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

/// <summary>Beams in the engine: their blocks, their company, their end.</summary>
public sealed class BeamAnswersTests
{
    private const string Prompt = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"; // 40 tokens: two blocks, and 8 more.

    [Theory]
    [InlineData("the cat", 4, 20)]
    [InlineData(Prompt, 3, 24)]
    [InlineData("x", 2, 1000)] // Up to the model's last position.
    public async Task Generate_Beams_AreThePlainSearchOverWholeTexts(string prompt, int beams, int maxTokens)
    {
        using var fixture = new GenerationFixture();
        var ids = new Gpt2Folder(fixture.ModelFolder).LoadTokenizer().Encode(prompt).ToArray();
        var most = Math.Min(maxTokens, RandomGpt2.Positions + 1 - ids.Length);
        var end = fixture.Decoder.Config.EndToken!.Value;
        var options = new BeamOptions(beams, 0.8, EarlyStopping.WhenCertain);
        var expected = PlainBeamSearch.Run(options, ids, most, end, tokens => Logits(fixture, tokens));

        var parts = await fixture.RunAsync(Search(prompt, options, maxTokens) with { IgnoresEnd = false });

        Assert.Equal(beams, parts.Count);
        foreach (var (part, (tokens, score)) in parts.Zip(expected))
        {
            var shown = tokens.Where(token => token != end);
            Assert.Equal(shown, part.Tokens.Select(token => token.Token));
            Assert.Equal((tokens.Length, score), (part.End!.Tokens, part.End.Score!.Value), (a, b) =>
                a.Item1 == b.Item1 && Math.Abs(a.Item2 - b.Item2) < 1e-4);
        }

        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_Beams_ReadTheirPromptOnce()
    {
        using var fixture = new GenerationFixture();
        await fixture.RunAsync(Search(Prompt, new(4), maxTokens: 2));
        // The prompt; then a token of the first beam, and of three others the 9 behind the blocks that they share.
        Assert.Equal([40, 1 + (3 * 9)], fixture.Backend.Passes);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_Beams_CountWhatWasThereOfTheirPrompt_NotWhatTheyShareLater()
    {
        using var fixture = new GenerationFixture();
        var cold = fixture.Engine.Generate(Search(Prompt, new(4), maxTokens: 20));
        await ReadAsync(cold).Within();
        var warm = fixture.Engine.Generate(Search(Prompt, new(4), maxTokens: 20));
        await ReadAsync(warm).Within();
        Assert.Equal((0, 32), (cold.CachedTokens, warm.CachedTokens));
    }

    [Fact]
    public async Task Generate_BeamsInCompany_AreTheSame()
    {
        using var fixture = new GenerationFixture(new() { MaxSequences = 16, MaxStepTokens = 16 });
        var request = Search("the cat", new(3), maxTokens: 12) with { Answers = 3 };
        var alone = await fixture.RunAsync(request);

        var all = await Task.WhenAll(
            [.. Enumerable.Range(0, 6).Select(i => i % 2 == 0
                ? fixture.RunAsync(request)
                : fixture.RunAsync(Request("b" + Prompt[i..], new() { MaxTokens = 9, Seed = (ulong)i })))]);

        for (var i = 0; i < all.Length; i += 2)
        {
            Assert.Equal(alone.Select(part => part.Text), all[i].Select(part => part.Text));
            Assert.Equal(alone.Select(part => part.End), all[i].Select(part => part.End));
        }

        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_AStopString_EndsATextAndIsNoPartOfIt()
    {
        using var fixture = new GenerationFixture();
        var request = Search("a", new(2), maxTokens: 9);
        var parts = await fixture.RunAsync(request with
        {
            Sampling = request.Sampling with
            {
                LogitBias = new Dictionary<int, double> { ['!'] = 100 },
                Stop = ["!!!"]
            }
        });
        Assert.Equal((FinishReason.Stop, 3, ""), (parts[0].End!.Reason, parts[0].End!.Tokens, parts[0].Text));
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_CancelledBeams_FreeTheirBlocks()
    {
        using var fixture = new GenerationFixture();
        using var cancel = new CancellationTokenSource();
        fixture.Backend.Close();
        var running = fixture.RunAsync(Search(Prompt, new(4), maxTokens: 20), cancel.Token);
        for (var step = 0; step < 4; step++)
        {
            await fixture.Backend.PassBeganAsync();
            fixture.Backend.OpenForOne();
        }

        await fixture.Backend.PassBeganAsync();
        Assert.Equal(4, fixture.Engine.RunningSequences);
        await cancel.CancelAsync();
        fixture.Backend.Open();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_Beams_JoinWhenAllOfThemFit()
    {
        // Room for 4 sequences of the most tokens.
        using var fixture = new GenerationFixture(new() { MaxSequences = 8, MaxCachedTokens = 256 });
        var long60 = new SamplingOptions { MaxTokens = 60 };
        fixture.Backend.Close();
        var first = fixture.RunAsync(Request("x", long60));
        await fixture.Backend.PassBeganAsync();
        var beams = fixture.RunAsync(Search("y", new(4), maxTokens: 60));
        fixture.Backend.OpenForOne();
        await fixture.Backend.PassBeganAsync();
        Assert.Equal(1, fixture.Engine.RunningSequences);
        fixture.Backend.Open();
        await Task.WhenAll(first, beams);
        await fixture.NothingIsLeftAsync();

        var refusal = Assert.Throws<SamplingOptionsException>(
            () => fixture.Engine.Generate(Search("y", new(5), maxTokens: 60)));
        Assert.Equal(
            "It is too much: 5 sequences with room for 320 tokens in all; 8 of 256 run at a time. Ask for less.",
            Assert.Single(refusal.Violations).Reason);
    }

    [Fact]
    public async Task Generate_BestOf_GivesTheMostProbableOfThoseThatAreDrawn()
    {
        using var fixture = new GenerationFixture();
        var request = Request("the", new() { MaxTokens = 10, Seed = 5, LogProbabilities = true });
        var all = await fixture.RunAsync(request with { Answers = 6 });
        var means = Enumerable.Range(0, 6)
            .Select(answer => all.Where(part => part.Answer == answer).SelectMany(part => part.Tokens)
                .Average(token => token.LogProbability))
            .ToList();
        int[] best = [.. Enumerable.Range(0, 6).OrderByDescending(answer => means[answer]).Take(2)];

        var chosen = await fixture.RunAsync(request with { Answers = 2, BestOf = 6 });

        Assert.Equal([0, 1], chosen.Select(part => part.Answer));
        Assert.Equal(best.Select(answer => TextOf(all, answer)), chosen.Select(part => part.Text));
        for (var i = 0; i < 2; i++)
            Assert.Equal(means[best[i]], chosen[i].End!.Score!.Value, 1e-9);
        var without = await fixture.RunAsync(
            request with { BestOf = 6, Sampling = request.Sampling with { LogProbabilities = false } });
        Assert.Equal((chosen[0].Text, 0), (without[0].Text, without[0].Tokens.Count));
        await fixture.NothingIsLeftAsync();
    }

    private static GenerationRequest Search(string prompt, BeamOptions beams, int maxTokens) =>
        Request(prompt, new() { MaxTokens = maxTokens, LogProbabilities = true }) with
        {
            Beams = beams,
            Answers = beams.Count
        };

    /// <summary>Of the whole text, in a pass of its own.</summary>
    private static double[] Logits(GenerationFixture fixture, int[] tokens)
    {
        const int blocks = 4;
        using var cache = fixture.Decoder.CreateCache(blocks);
        using var workspace = fixture.Decoder.CreateWorkspace(new(Tokens: 64, Sequences: 1, LogitRows: 1, blocks));
        var sequence = new CachedSequence(fixture.Decoder.BlockTokens);
        for (var block = 0; block < blocks; block++)
            sequence.AddBlock(block);
        var batch = new DecoderBatch();
        batch.Add(sequence, tokens, LogitRows.Last);
        return Array.ConvertAll(fixture.Decoder.Forward(batch, cache, workspace).ToArray(), logit => (double)logit);
    }
}
