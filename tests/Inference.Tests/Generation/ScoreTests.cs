using Serving.Inference.Generation;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Testing;
using Serving.Text;
using static Serving.Inference.Tests.Generation.GenerationFixture;

namespace Serving.Inference.Tests.Generation;

public sealed class ScoreTests
{
    [Theory]
    [InlineData("", "the cat sat", 3)]
    [InlineData("on the", " mat", 64)]
    [InlineData("##################################", "##########", 5)] // 34 and 10 tokens.
    public async Task Score_InAnyParts_IsTheLogSoftmaxOfTheWhole(string context, string text, int stepTokens)
    {
        using var fixture = new GenerationFixture(new() { MaxSequences = 3, MaxStepTokens = stepTokens });
        var held = await fixture.HoldAsync();
        var beside = fixture.RunAsync(Request("x"));
        var scoring = fixture.Engine.ScoreAsync(new() { Context = context, Text = text });
        fixture.Backend.Open();
        await Task.WhenAll(held, beside);
        var result = await scoring.Within();

        var tokenizer = new Gpt2Folder(fixture.ModelFolder).LoadTokenizer();
        var config = fixture.Decoder.Config;
        int[] before = context.Length > 0 ? [.. tokenizer.Encode(context)] : [config.EndToken!.Value];
        int[] scored = [.. tokenizer.Encode(text)];
        Assert.Equal(before.Length, result.ContextTokens);
        Assert.Equal(scored, result.Tokens);
        using var cache = new KeyValueCache(fixture.Backend, config, blocks: 4);
        using var workspace = fixture.Decoder.CreateWorkspace(new(Tokens: 64, Sequences: 1, LogitRows: 64, Blocks: 4));
        var sequence = new CachedSequence(KeyValueCache.BlockTokens);
        for (var block = 0; block < 4; block++)
            sequence.AddBlock(block);
        var batch = new DecoderBatch();
        batch.Add(sequence, [.. before, .. scored], LogitRows.All);
        var logits = fixture.Decoder.Forward(batch, cache, workspace).ToArray().Chunk(config.Vocab).ToList();
        for (var i = 0; i < scored.Length; i++)
        {
            var row = logits[before.Length - 1 + i];
            var expected = row[scored[i]] - Math.Log(row.Sum(logit => Math.Exp(logit)));
            Assert.Equal(expected, result.LogProbabilities[i], 1e-9);
        }

        await fixture.NothingIsLeftAsync();
    }

    [Fact]
    public async Task Score_WithoutABeginning_LeavesTheFirstTokenOut()
    {
        using var fixture = new GenerationFixture(config: config => config.Remove("eos_token_id"));
        var result = await fixture.Engine.ScoreAsync(new() { Text = "#!" }).Within();
        Assert.Equal((1, 1), (result.ContextTokens, result.LogProbabilities.Count));
        Refused(InvalidTextReason.Empty, new() { Text = "#" });
        Refused(InvalidTextReason.Empty, new() { Context = "#", Text = "" });
        Refused(InvalidTextReason.TooLong, new() { Text = new string('#', 66) });
        Assert.Equal(64, (await fixture.Engine.ScoreAsync(new() { Text = new string('#', 65) })).Tokens.Count);

        void Refused(InvalidTextReason reason, ScoreRequest request) => Assert.Equal(
            reason, Assert.Throws<InvalidTextException>(() => { _ = fixture.Engine.ScoreAsync(request); }).Reason);
    }
}
