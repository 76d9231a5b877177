using Serving.Inference.Classification;
using Serving.Models.Bert;
using Serving.Testing;

namespace Serving.Inference.Tests.Classification;

/// <summary>Several engines on the lanes of one backend.</summary>
[Collection(nameof(AloneCollection))] // Counts the process's threads.
public sealed class SharedLanesTests
{
    [Fact]
    public async Task SecondEngine_HasNoThreadsOfItsOwn_AndIsServedBesideTheFirst()
    {
        using var fixture = new EngineFixture(hasLanes: true);
        fixture.AddTask("t", seed: 1);
        await RunOnBothLanesAsync(fixture);
        var before = ComputeThreads();

        using var second = Engine(fixture);
        var folder = fixture.WriteTask(seed: 2);
        second.ActivateTask("u", await second.LoadTaskAsync("u", folder));
        fixture.Backend.Close();
        var one = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        var other = second.ClassifyAsync(EngineFixture.Request("a", "u"));
        await fixture.Backend.PassBeganAsync(); // On the other lane, while the first stands at the gate.
        var waiting = fixture.Classify("b", "t");
        Assert.Equal(1, fixture.Engine.QueuedRequests);
        fixture.Backend.Open();

        await Task.WhenAll(one, other, waiting).Within();
        Assert.Equal(before, ComputeThreads());
    }

    [Fact]
    public async Task Engine_ThatIsDisposedOf_LeavesTheOtherRunning_AndItsMemoryFree()
    {
        using var fixture = new EngineFixture(hasLanes: true);
        fixture.AddTask("t", seed: 1);
        await RunOnBothLanesAsync(fixture);
        var before = fixture.Backend.AllocatedBytes;
        using (var second = Engine(fixture))
        {
            second.ActivateTask("u", await second.LoadTaskAsync("u", fixture.WriteTask(seed: 2)));
            fixture.Backend.Close();
            var running = second.ClassifyAsync(EngineFixture.Request("a", "u"));
            await fixture.Backend.PassBeganAsync();
            var drained = second.DrainAsync();
            Assert.False(drained.IsCompleted);
            fixture.Backend.Open();
            await drained.Within();
            Assert.True(running.IsCompletedSuccessfully);
        }

        Assert.Equal(before, fixture.Backend.AllocatedBytes);
        await fixture.Classify("a", "t").Within();
    }

    /// <summary>After it each lane has what it keeps for later passes.</summary>
    private static async Task RunOnBothLanesAsync(EngineFixture fixture)
    {
        fixture.Backend.Close();
        var one = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        var other = fixture.Classify("a", "t");
        await fixture.Backend.PassBeganAsync();
        fixture.Backend.Open();
        await Task.WhenAll(one, other);
        fixture.Backend.ForgetPasses();
    }

    private static ClassificationEngine Engine(EngineFixture fixture) => new(
        fixture.Lanes,
        fixture.Encoder,
        new BertFolder(Path.Combine(AppContext.BaseDirectory, "golden", "bert")).LoadTokenizer(),
        new(),
        fixture.Time);

    /// <summary>Threads of pools and lanes, by the names that Linux knows; elsewhere none.</summary>
    private static int ComputeThreads() => !OperatingSystem.IsLinux()
        ? 0
        : Directory.EnumerateDirectories("/proc/self/task")
            .Select(NameOf)
            .Count(name => name.StartsWith("lane-", StringComparison.Ordinal)
                || name.StartsWith("tensors-", StringComparison.Ordinal));

    /// <returns>Empty for a thread that ended meanwhile.</returns>
    private static string NameOf(string thread)
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "comm"));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
