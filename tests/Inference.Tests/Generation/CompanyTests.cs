using Serving.Decoding;
using Serving.Inference.Generation;
using Serving.Inference.Scheduling;
using Serving.Models.Gpt2;
using Serving.Testing;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

/// <summary>Sequences beside each other: what they share, and what they don't notice.</summary>
public sealed class CompanyTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Generate_InAnyCompany_HasTheBitsOfTheRequestAlone(int seed)
    {
        // Few tokens a step and a small cache: prompts are cut, and sequences wait, join and leave all the time.
        using var fixture = new GenerationFixture(
            new() { MaxSequences = 6, MaxStepTokens = 8, MaxCachedTokens = 256 }, hasLanes: true);
        var random = new Random(seed);
        var begin = new string(random.GetItems<char>("abcdefgh", 33));
        GenerationRequest[] requests = [.. Enumerable.Range(0, 40).Select(i => Request(
            begin[..(i % 3 * 16)] + new string(random.GetItems<char>("abcdefgh", random.Next(1, 17))),
            new()
            {
                Temperature = i % 3 == 0 ? 0 : 1.5,
                TopP = i % 2 == 0 ? 0.9 : 1,
                RepetitionPenalty = i % 5 == 0 ? 1.3 : 1,
                MaxTokens = random.Next(1, 14),
                Seed = (ulong)i,
                Stop = ["e", "\u0001"],
                TopLogProbabilities = 3
            },
            caller: $"{i % 4}") with { Answers = (i % 3) + 1 })];

        var together = await Task.WhenAll(requests.Select(request => Task.Run(() => fixture.RunAsync(request))));

        var tokenizer = new Gpt2Folder(fixture.ModelFolder).LoadTokenizer();
        for (var i = 0; i < requests.Length; i++)
        {
            // With a cache that has nothing to share.
            using var engine = new GenerationEngine(fixture.Lanes, fixture.Decoder, tokenizer, new(), fixture.Time);
            var alone = await ReadAsync(engine.Generate(requests[i])).Within();
            for (var answer = 0; answer < requests[i].Answers; answer++)
                Assert.Equal(Described(alone, answer), Described(together[i], answer));
        }

        await fixture.NothingIsLeftAsync();

        static List<string> Described(List<GenerationPart> parts, int answer) =>
        [
            .. parts.Where(part => part.Answer == answer).Select(part =>
                $"{part.Text} {part.End} "
                + string.Join(' ', part.Tokens.Select(token => $"{token.Token} {token.LogProbability:R} "
                    + string.Join(' ', token.Top))))
        ];
    }

    [Fact]
    public async Task Generate_LongPrompt_DoesNotHoldUpTheTokensOfOthers()
    {
        using var fixture = new GenerationFixture(new() { MaxSequences = 4, MaxStepTokens = 8 });
        var held = await fixture.HoldAsync();
        var shortOne = fixture.Engine.Generate(Request("a", new() { MaxTokens = 6 }));
        var longOne = fixture.Engine.Generate(Request(new string('#', 40), new() { MaxTokens = 6 }));
        fixture.Backend.ForgetPasses();
        fixture.Backend.Open();
        await held;
        await Task.WhenAll(ReadAsync(shortOne), ReadAsync(longOne)).Within();

        // 1 of the short one and 7 of the long one five times, then 1 and the last 5; from there on the long one alone.
        Assert.Equal([8, 8, 8, 8, 8, 6, 1, 1, 1, 1, 1], fixture.Backend.Passes);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_CacheFull_WaitsUntilAnotherLeaves()
    {
        // 64 tokens: what comes to 33 takes 3 of 4 blocks.
        using var fixture = new GenerationFixture(new() { MaxCachedTokens = 64 });
        var held = await fixture.HoldAsync();
        var first = fixture.RunAsync(Request(new string('#', 30), new() { MaxTokens = 4 }));
        var second = fixture.RunAsync(Request(new string('$', 31), new() { MaxTokens = 3 }));
        fixture.Backend.ForgetPasses();
        fixture.Backend.Open();
        await Task.WhenAll(held, first, second);

        Assert.Equal([30, 1, 1, 1, 31, 1, 1], fixture.Backend.Passes);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_ManyOfOneCaller_LeaveTheOtherItsTurn()
    {
        using var fixture = new GenerationFixture(new() { MaxSequences = 1 });
        var held = await fixture.HoldAsync();
        var one = new SamplingOptions { MaxTokens = 1 };
        (string Prompt, string Caller, int Priority)[] requests =
            [("#", "busy", 0), ("##", "busy", 0), ("###", "busy", 0), ("####", "calm", 0), ("#####", "busy", 1)];
        var running = requests.Select(request => fixture.RunAsync(
            Request(request.Prompt, one, request.Caller) with { Priority = request.Priority })).ToList();
        fixture.Backend.ForgetPasses();
        fixture.Backend.Open();
        await Task.WhenAll([held, .. running]);

        Assert.Equal([5, 4, 1, 2, 3], fixture.Backend.Passes);
    }

    [Fact]
    public async Task Generate_ALongPromptBesideAWriter_IsReadInParts()
    {
        using var fixture = new GenerationFixture(new() { MaxPromptTokensBeside = 10 });
        fixture.Backend.Close();
        var writing = fixture.RunAsync(Request("a", new() { MaxTokens = 8 }));
        await fixture.Backend.PassBeganAsync();
        var reading = fixture.RunAsync(Request(new string('#', 42), new() { MaxTokens = 1 }));
        fixture.Backend.Open();
        await Task.WhenAll(writing, reading);

        // A token of the one, and 10 of the other's prompt, until it is read; by itself it is read at once.
        Assert.Equal([1, 11, 11, 11, 11, 3, 1, 1], fixture.Backend.Passes);
        fixture.Backend.ForgetPasses();
        await fixture.RunAsync(Request(new string('b', 42), new() { MaxTokens = 1 }));
        Assert.Equal([42], fixture.Backend.Passes);
    }

    [Fact]
    public async Task Generate_Cancelled_LeavesAfterItsStep_AndFreesItsBlocks()
    {
        using var fixture = new GenerationFixture();
        using var cancellation = new CancellationTokenSource();
        fixture.Backend.Close();
        var running = fixture.RunAsync(Request("a", new() { MaxTokens = 60 }), cancellation.Token);
        await fixture.Backend.PassBeganAsync();
        Assert.Equal((1, 1), (fixture.Engine.RunningSequences, fixture.Engine.UsedBlocks));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        fixture.Backend.Open();

        await fixture.NothingIsLeftAsync();
        Assert.Single(fixture.Backend.Passes);
    }

    [Fact]
    public async Task Generate_DeadlinePassed_EndsWithinAStep()
    {
        using var fixture = new GenerationFixture();
        fixture.Backend.Close();
        var running = fixture.RunAsync(Request("a", new() { MaxTokens = 60 }) with
        {
            Deadline = fixture.Time.GetUtcNow() + TimeSpan.FromSeconds(1)
        });
        await fixture.Backend.PassBeganAsync();
        fixture.Time.Advance(TimeSpan.FromSeconds(2));
        fixture.Backend.Open();

        await Assert.ThrowsAsync<DeadlinePassedException>(() => running);
        await fixture.NothingIsLeftAsync();
        Assert.Single(fixture.Backend.Passes);
    }

    [Fact]
    public async Task Generate_TenThousandWithRandomCancellations_LeaveNothingBehind()
    {
        using var fixture = new GenerationFixture(
            new() { MaxSequences = 5, MaxStepTokens = 16, MaxCachedTokens = 320 },
            hasLanes: true);
        // Some fill blocks that others share, and that go when room is needed.
        string[] prompts =
            ["the cat", "abcdefghijklmnopqrst", "abcdefghijklmnopqrstuvwxyzabcdefghijk", "bcdefghijklmnopqrstu"];
        var random = new Random(7);
        var running = Enumerable.Range(0, 10_000).Select(i =>
        {
            var after = random.Next(3) == 0 ? random.Next(6) : int.MaxValue;
            var request = Request(prompts[random.Next(prompts.Length)], new() { MaxTokens = 8, Seed = (ulong)i }) with
            {
                Beams = new(i % 20 == 0 ? 3 : 1),
                BestOf = i % 20 == 1 ? 2 : 0,
                IsPaced = true
            };
            return (after, RunAsync(request, after));
        }).ToList();

        foreach (var (after, outcome) in running)
        {
            if (await outcome.Within() is { } end)
                Assert.Equal(8, end.Tokens);
            else
                Assert.NotEqual(int.MaxValue, after);
        }

        Assert.Contains(running, run => run.Item2.Result is null);
        await fixture.NothingIsLeftAsync();
        Assert.Equal(8, (await fixture.RunAsync(Request("a")))[^1].End!.Tokens); // All room is there again.

        async Task<AnswerEnd?> RunAsync(GenerationRequest request, int cancelAfter)
        {
            using var cancellation = new CancellationTokenSource();
            try
            {
                AnswerEnd? end = null;
                var generation = fixture.Engine.Generate(request with { Answers = 1 }, cancellation.Token);
                if (cancelAfter == 0)
                    await cancellation.CancelAsync();
                await foreach (var part in generation.ReadAllAsync(CancellationToken.None))
                {
                    end = part.End;
                    if (--cancelAfter == 0)
                        await cancellation.CancelAsync();
                }

                return end;
            }
            catch (OperationCanceledException)
            {
                return null;
            }
        }
    }
}
