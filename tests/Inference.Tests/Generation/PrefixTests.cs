using Serving.Inference.Generation;
using Serving.Testing;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

/// <summary>Prompts that begin alike: what is computed once, and what it changes: nothing.</summary>
public sealed class PrefixTests
{
    private const string Prompt = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"; // 40 tokens: two blocks, and 8 more.

    [Fact]
    public async Task Generate_APromptThatWasThere_ComputesTheRestAlone()
    {
        using var fixture = new GenerationFixture();
        var first = await fixture.RunAsync(Request(Prompt));
        fixture.Backend.ForgetPasses();
        var again = fixture.Engine.Generate(Request(Prompt));
        Assert.Equal(TextOf(first), TextOf(await ReadAsync(again).Within()));
        Assert.Equal((40, 32), (again.PromptTokens, again.CachedTokens));
        Assert.Equal([8, 1, 1, 1, 1, 1, 1, 1], fixture.Backend.Passes);

        // One that ends with a block computes its last token at least; another beginning shares nothing.
        fixture.Backend.ForgetPasses();
        await fixture.RunAsync(Request(Prompt[..32], new() { MaxTokens = 1 }));
        await fixture.RunAsync(Request("b" + Prompt, new() { MaxTokens = 1 }));
        Assert.Equal([16, 41], fixture.Backend.Passes);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_SeveralAnswers_ReadTheirPromptOnce()
    {
        using var fixture = new GenerationFixture();
        await fixture.RunAsync(Request(Prompt, new() { MaxTokens = 3 }) with { Answers = 4 });
        // 40; then a token of the first answer, and of the others the 8 behind what they share.
        Assert.Equal([40, 1 + (3 * 8), 4, 3], fixture.Backend.Passes);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_CacheOfOneSequence_ServesSeveralAnswersOneByOne()
    {
        using var fixture = new GenerationFixture(new() { MaxSequences = 1, MaxCachedTokens = 64 });
        var parts = await fixture.RunAsync(Request(Prompt, new() { MaxTokens = 3 }) with { Answers = 3 });
        Assert.Equal(3, parts.Count(part => part.End is { Tokens: 3 }));
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Generate_WhatOthersNeededTheRoomOf_IsComputedAgain()
    {
        using var fixture = new GenerationFixture(new() { MaxCachedTokens = 64 });
        var first = await fixture.RunAsync(Request(Prompt));
        foreach (var letter in "#$%")
            await fixture.RunAsync(Request(new string(letter, 60), new() { MaxTokens = 2 }));
        fixture.Backend.ForgetPasses();
        Assert.Equal(TextOf(first), TextOf(await fixture.RunAsync(Request(Prompt))));
        Assert.Equal(40, fixture.Backend.Passes[0]);
        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Score_BehindASharedContext_HasTheSameBits()
    {
        using var fixture = new GenerationFixture();
        var request = new ScoreRequest { Context = Prompt, Text = "the cat" };
        var first = await fixture.Engine.ScoreAsync(request).Within();
        fixture.Backend.ForgetPasses();
        var again = await fixture.Engine.ScoreAsync(request).Within();
        Assert.Equal(first.LogProbabilities, again.LogProbabilities);
        Assert.Equal(40 + 1 - 32, fixture.Backend.Passes.Sum()); // The text's last token is read by nobody.
    }
}
