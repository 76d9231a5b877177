using Serving.Inference.Classification;
using Serving.Models.Bert;
using Serving.Testing;

namespace Serving.Inference.Tests.Classification;

public sealed class ClassificationLaneTests
{
    private static readonly string[] Texts =
        [.. Enumerable.Range(1, 40).Select(i => string.Join(' ', Enumerable.Repeat("a", i % 9 + 1)))];

    [Fact]
    public async Task Classify_ShortOnes_RunSideBySide_WithTheBitsOfOneLane()
    {
        using var fixture = Fixture(new(), hasLanes: true);
        fixture.Backend.Close();
        var first = fixture.Classify("a", "x");
        await fixture.Backend.PassBeganAsync();
        var second = fixture.Classify("b c", "y");
        await fixture.Backend.PassBeganAsync(); // While the first stands at the gate.
        var waiting = Texts.Select(text => fixture.Classify(text, "x", "y")).ToArray();
        fixture.Backend.Open();
        await fixture.Engine.DrainAsync();

        Assert.Empty(fixture.Backend.Passes);
        Assert.All(fixture.Backend.Lanes, lane => Assert.NotEmpty(((GatedBackend)lane).Passes));
        using var single = Fixture(new(), hasLanes: false);
        var alone = Texts.Select(text => single.Classify(text, "x", "y"));
        Assert.Equal(
            await Bits([single.Classify("a", "x"), single.Classify("b c", "y"), .. alone]),
            await Bits([first, second, .. waiting]));
    }

    [Fact]
    public async Task Classify_LongOne_WaitsForAllLanesAndGetsTheWholeDevice_AndOthersComeAfterIt()
    {
        var config = BertConfig.Load(Path.Combine(AppContext.BaseDirectory, "golden", "bert", "config.json"));
        using var fixture = Fixture(new() { WholeDeviceMultiplyAdds = config.MultiplyAdds(12) }, hasLanes: true);
        var longText = string.Join(' ', Enumerable.Repeat("a", 10));
        fixture.Backend.Close();
        var running = fixture.Classify("a", "x");
        await fixture.Backend.PassBeganAsync();
        var longer = fixture.Classify(longText, "x");
        var waiting = Texts.Select(text => fixture.Classify(text, "x")).ToArray();

        Assert.Equal(1 + Texts.Length, fixture.Engine.QueuedRequests); // Though a lane has nothing to do.
        fixture.Backend.Open();
        await Task.WhenAll([running, longer, .. waiting]);

        Assert.NotEmpty(fixture.Backend.Passes);
        using var single = Fixture(new(), hasLanes: false);
        var alone = Texts.Select(text => single.Classify(text, "x"));
        Assert.Equal(
            await Bits([single.Classify("a", "x"), single.Classify(longText, "x"), .. alone]),
            await Bits([running, longer, .. waiting]));
    }

    [Fact]
    public async Task Dispose_WhileAllLanesCompute_FailsWhatWaits()
    {
        using var fixture = Fixture(new(), hasLanes: true);
        fixture.Backend.Close();
        var first = fixture.Classify("a", "x");
        await fixture.Backend.PassBeganAsync();
        var second = fixture.Classify("a", "x");
        await fixture.Backend.PassBeganAsync();
        var waiting = fixture.Classify("a", "x");

        var disposing = Task.Run(fixture.Engine.Dispose);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (true)
                await fixture.Classify("a", "x").WaitAsync(TimeSpan.FromMilliseconds(1)).ContinueWith(_ => { });
        });
        fixture.Backend.Open();
        await disposing;

        await Task.WhenAll(first, second);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
    }

    private static EngineFixture Fixture(EngineOptions options, bool hasLanes)
    {
        var fixture = new EngineFixture(options, hasLanes: hasLanes);
        fixture.AddTask("x", seed: 1);
        fixture.AddTask("y", seed: 2);
        return fixture;
    }

    private static async Task<uint[]> Bits(Task<ClassificationResult>[] answers) =>
    [
        .. (await Task.WhenAll(answers))
            .SelectMany(answer => answer.Scores)
            .SelectMany(scores => scores.Logits)
            .Select(BitConverter.SingleToUInt32Bits)
    ];
}
