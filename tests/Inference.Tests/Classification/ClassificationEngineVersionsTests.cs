using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Inference.Tests.Classification;

/// <summary>Versions of tasks come, go and change under traffic.</summary>
public sealed class ClassificationEngineVersionsTests
{
    [Fact]
    public async Task Unload_WhileARequestUsesTheTask_FreesAfterItsAnswer()
    {
        using var fixture = new EngineFixture();
        var warm = fixture.AddTask("warm", seed: 1);
        await fixture.Classify("a", "warm");
        await fixture.Engine.UnloadTaskAsync("warm", warm);
        var before = fixture.Backend.AllocatedBytes;
        var ledger = fixture.Engine.Memory.Total;
        var version = fixture.AddTask("t", seed: 1);
        var taken = fixture.Backend.AllocatedBytes - before;
        Assert.Equal(taken, Assert.Single(fixture.Engine.Memory.Tasks).Bytes);
        fixture.Backend.Close();
        var running = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();

        var unloading = fixture.Engine.UnloadTaskAsync("t", version);

        Assert.False(unloading.IsCompleted);
        Assert.Empty(fixture.Engine.Memory.Tasks);
        await Assert.ThrowsAsync<NotResidentException>(() => fixture.Classify("a", "t"));
        fixture.Backend.Open();
        Assert.Equal(version, (await running).Scores[0].Version);
        Assert.Equal(taken, await unloading);
        Assert.Equal(before, fixture.Backend.AllocatedBytes);
        Assert.Equal(ledger, fixture.Engine.Memory.Total);
    }

    [Fact]
    public async Task Activate_UnderTraffic_EachAnswerIsOfOneOfTheVersions()
    {
        using var fixture = new EngineFixture();
        var first = fixture.AddTask("t", seed: 1);
        var expected =
            new Dictionary<string, float[]> { [first] = (await fixture.Classify("a b", "t")).Scores[0].Logits };
        var second = fixture.AddTask("t", seed: 2);
        expected[second] = (await fixture.Classify("a b", "t")).Scores[0].Logits;
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var seen = new HashSet<string>();
            while (!stop.IsCancellationRequested)
            {
                var scores = (await fixture.Classify("a b", "t")).Scores[0];
                Assert.Equal(expected[scores.Version], scores.Logits);
                seen.Add(scores.Version);
            }

            return seen;
        })).ToArray();

        for (var i = 0; i < 200; i++)
        {
            fixture.Engine.ActivateTask("t", i % 2 == 0 ? first : second);
            await fixture.Classify("a b", "t");
        }

        await stop.CancelAsync();
        Assert.Equal(2, (await Task.WhenAll(clients)).SelectMany(seen => seen).Distinct().Count());
    }

    [Fact]
    public async Task Load_DamagedTask_ChangesNothing()
    {
        using var fixture = new EngineFixture();
        var version = fixture.AddTask("t", seed: 1);
        var before = fixture.Backend.AllocatedBytes;
        var folder = fixture.WriteTask(seed: 2);
        var path = Path.Combine(folder, VersionFiles.MaskFile);
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[^5] ^= 4;
        await File.WriteAllBytesAsync(path, bytes);

        await Assert.ThrowsAsync<ModelFileException>(() => fixture.Engine.LoadTaskAsync("t", folder));

        Assert.Equal(before, fixture.Backend.AllocatedBytes);
        Assert.Equal(version, (await fixture.Classify("a", "t")).Scores[0].Version);
        Assert.Single(fixture.Engine.Memory.Tasks);
    }
}
