using Serving.Decoding;
using Serving.Inference.Generation;
using Serving.Inference.Scheduling;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Testing;
using Serving.Text;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

public sealed class GenerationEngineTests
{
    [Fact]
    public async Task Generate_Greedy_IsTheArgmaxOfTheWholeTextEachTime()
    {
        using var fixture = new GenerationFixture();
        var parts = await fixture.RunAsync(
            Request("the cat", new() { Temperature = 0, MaxTokens = 12, LogProbabilities = true }));

        var tokens = parts.SelectMany(part => part.Tokens).ToList();
        Assert.Equal(12, tokens.Count);
        var tokenizer = new Gpt2Folder(fixture.ModelFolder).LoadTokenizer();
        var ids = tokenizer.Encode("the cat").ToList();
        using var cache = new KeyValueCache(fixture.Backend, fixture.Decoder.Config, blocks: 4);
        using var workspace = fixture.Decoder.CreateWorkspace(new(Tokens: 64, Sequences: 1, LogitRows: 1, Blocks: 4));
        foreach (var token in tokens)
        {
            var sequence = new CachedSequence(KeyValueCache.BlockTokens);
            for (var block = 0; block < 4; block++)
                sequence.AddBlock(block);
            var batch = new DecoderBatch();
            batch.Add(sequence, [.. ids], LogitRows.Last);
            var logits = fixture.Decoder.Forward(batch, cache, workspace).ToArray();
            Assert.Equal(Array.IndexOf(logits, logits.Max()), token.Token);
            var sum = Math.Log(logits.Sum(logit => Math.Exp(logit)));
            Assert.Equal(logits.Max() - sum, token.LogProbability, 1e-9);
            ids.Add(token.Token);
        }

        Assert.Equal(tokenizer.Decode(tokens.Select(token => token.Token)), TextOf(parts));
        Assert.Equal(new AnswerEnd(FinishReason.Length, 12), parts[^1].End);
        Assert.All(parts.SkipLast(1), part => Assert.Null(part.End));
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_FirstToken_IsThereBeforeTheSecondIsComputed()
    {
        using var fixture = new GenerationFixture();
        var request = Request(
            "a", new() { MaxTokens = 2, LogitBias = new Dictionary<int, double> { ['@'] = 100 } });
        fixture.Backend.Close();
        await using var parts = fixture.Engine.Generate(request).ReadAllAsync().GetAsyncEnumerator();
        await fixture.Backend.PassBeganAsync();
        fixture.Backend.OpenForOne();
        await fixture.Backend.PassBeganAsync(); // The second stands at the gate.

        Assert.True(await parts.MoveNextAsync().AsTask().Within());
        Assert.NotEqual("", parts.Current.Text);
        fixture.Backend.Open();
        Assert.True(await parts.MoveNextAsync().AsTask().Within());
        Assert.Equal(FinishReason.Length, parts.Current.End!.Reason);
        Assert.False(await parts.MoveNextAsync().AsTask().Within());
    }

    [Fact]
    public async Task Generate_SeveralAnswers_DifferAndAreComplete()
    {
        using var fixture = new GenerationFixture();
        var request = Request("the", new() { MaxTokens = 10, Seed = 5 }) with { Answers = 4 };
        var parts = await fixture.RunAsync(request);
        string[] texts = [.. Enumerable.Range(0, 4).Select(answer => TextOf(parts, answer))];

        Assert.Equal(4, texts.Distinct().Count());
        Assert.Equal(4, parts.Count(part => part.End is not null));
        Assert.Equal(texts[0], TextOf(await fixture.RunAsync(request with { Answers = 1 })));
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_EndOfText_EndsUnlessIgnored()
    {
        using var fixture = new GenerationFixture();
        var end = fixture.Decoder.Config.EndToken!.Value;
        var request = Request("the", new()
        {
            Temperature = 0,
            MaxTokens = 5,
            MinTokens = 2,
            LogitBias = new Dictionary<int, double> { [end] = 100 }
        });

        var ended = await fixture.RunAsync(request with { IgnoresEnd = false });
        var ignored = await fixture.RunAsync(request with { Sampling = request.Sampling with { MinTokens = 0 } });

        Assert.Equal(new AnswerEnd(FinishReason.EndOfText, 3), ended[^1].End);
        Assert.DoesNotContain("endoftext", TextOf(ended));
        Assert.Equal(new AnswerEnd(FinishReason.Length, 5), ignored[^1].End);
    }

    [Fact]
    public async Task Generate_UpToTheLastPosition_EndsThere()
    {
        using var fixture = new GenerationFixture();
        var prompt = new string('#', 60);
        var parts = await fixture.RunAsync(Request(prompt, new() { MaxTokens = 1000 }));
        Assert.Equal(new AnswerEnd(FinishReason.Length, RandomGpt2.Positions + 1 - 60), parts[^1].End);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_PromptTooLong_IsRefusedOrLosesItsBeginning()
    {
        using var fixture = new GenerationFixture();
        var request = Request(new string('#', 70), new() { MaxTokens = 10 });
        var error = Assert.Throws<InvalidTextException>(() => fixture.Engine.Generate(request));
        Assert.Equal(
            "The prompt has 70 tokens; the model reads 64. Shorten it, or ask to truncate it.",
            error.Message);

        var cut = fixture.Engine.Generate(request with { Truncates = true });
        Assert.Equal((55, 15), (cut.PromptTokens, cut.DroppedTokens)); // 65 - 10
        Assert.Equal(
            TextOf(await ReadAsync(cut).Within()),
            TextOf(await fixture.RunAsync(request with { Prompt = new string('#', 55) })));
        var half = fixture.Engine.Generate(
            request with { Truncates = true, Sampling = new() { MaxTokens = 1000 } });
        Assert.Equal((32, 38), (half.PromptTokens, half.DroppedTokens));
        await ReadAsync(half).Within();
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_EmptyPrompt_BeginsAText()
    {
        using var fixture = new GenerationFixture();
        var generation = fixture.Engine.Generate(Request(""));
        Assert.Equal(1, generation.PromptTokens);
        Assert.Equal(8, (await ReadAsync(generation).Within())[^1].End!.Tokens);

        using var nameless = new GenerationFixture(config: config => config.Remove("eos_token_id"));
        Assert.Throws<InvalidTextException>(() => nameless.Engine.Generate(Request("")));
    }

    [Fact]
    public async Task Generate_OptionsOutOfRange_AreAllNamed_AndNothingElseIsDisturbed()
    {
        using var fixture = new GenerationFixture();
        var running = await fixture.HoldAsync();
        var error = Assert.Throws<SamplingOptionsException>(() => fixture.Engine.Generate(Request("a", new()
        {
            Temperature = double.NaN,
            TopP = -1,
            MaxTokens = 3,
            MinTokens = 4,
            Stop = [new string('x', 10_000)],
            LogitBias = new Dictionary<int, double> { [300] = 1 }
        })));
        Assert.Equal(
            ["Temperature", "TopP", "MinTokens", "LogitBias[300]", "Stop[0]"],
            error.Violations.Select(violation => violation.Option));
        Refused("Answers", Request("a") with { Answers = 17 });
        Refused("MinTokens", Request(new string('#', 60), new() { MinTokens = 6, MaxTokens = 9 }));
        fixture.Backend.Open();
        await running;
        await fixture.NothingIsLeftAsync();

        void Refused(string option, GenerationRequest request) => Assert.Equal(
            option,
            Assert.Throws<SamplingOptionsException>(() => fixture.Engine.Generate(request)).Violations[0].Option);
    }

    [Fact]
    public async Task Generate_QueueFull_IsRefusedAtOnce()
    {
        using var fixture = new GenerationFixture(new() { MaxQueuedRequests = 1 });
        var running = await fixture.HoldAsync();
        var waiting = fixture.RunAsync(Request("a"));
        Assert.Throws<QueueFullException>(() => fixture.Engine.Generate(Request("a")));
        fixture.Backend.Open();
        await Task.WhenAll(running, waiting);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_TokenThatTheDeviceFailsAt_FailsAlone()
    {
        using var fixture = new GenerationFixture();
        var held = await fixture.HoldAsync();
        fixture.Backend.PoisonToken = new Gpt2Folder(fixture.ModelFolder).LoadTokenizer().Encode("!")[0];
        var sampling = new SamplingOptions
        {
            MaxTokens = 4,
            LogitBias = new Dictionary<int, double> { [fixture.Backend.PoisonToken.Value] = -100 }
        };
        var bad = fixture.RunAsync(Request("!", sampling));
        var good = fixture.RunAsync(Request("a", sampling));
        fixture.Backend.Open();

        await held;
        Assert.Equal("poison", (await Assert.ThrowsAsync<InvalidOperationException>(() => bad)).Message);
        Assert.Equal(4, (await good)[^1].End!.Tokens);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Dispose_EndsWhatRunsAndWhatWaits()
    {
        using var fixture = new GenerationFixture(new() { MaxSequences = 1 });
        fixture.Backend.Close();
        var running = fixture.RunAsync(Request("a", new() { MaxTokens = 50 }));
        await fixture.Backend.PassBeganAsync();
        var waiting = fixture.RunAsync(Request("b"));
        var disposing = Task.Run(fixture.Engine.Dispose);
        await Eventually.TrueAsync(
            () => Record.Exception(() => { fixture.Engine.Generate(Request("c")); }) is ObjectDisposedException,
            "it takes nothing new");
        fixture.Backend.Open();
        await disposing.Within();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => running);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
    }

    [Fact]
    public async Task Drain_AnswersWhatWasAdmitted()
    {
        using var fixture = new GenerationFixture();
        var held = await fixture.HoldAsync();
        var waiting = fixture.RunAsync(Request("b"));
        var drained = fixture.Engine.DrainAsync();
        Assert.Throws<EngineClosedException>(() => { fixture.Engine.Generate(Request("c")); });
        fixture.Backend.Open();
        await drained.Within();
        Assert.Equal(8, (await waiting)[^1].End!.Tokens);
        await held;
    }
}
