using Serving.Inference.Classification;
using Serving.Models.Bert;
using Serving.Testing;

namespace Serving.Inference.Tests.Classification;

/// <summary>Tests that count what the whole process allocates run while no other does.</summary>
[CollectionDefinition(nameof(AloneCollection), DisableParallelization = true)]
public sealed class AloneCollection;

/// <summary>What requests allocate on the managed heap, and versions of tasks leave there.</summary>
[Collection(nameof(AloneCollection))]
public sealed class AllocationTests
{
    [Fact]
    public async Task Classify_OnceWarm_StaysWithinItsBudget()
    {
        using var fixture = new EngineFixture();
        fixture.AddTask("a", seed: 1);
        fixture.AddTask("b", seed: 2);
        fixture.AddTask("c", seed: 3);

        var one = await BytesAsync("a");
        var three = await BytesAsync("a", "b", "c");

        AllocationBudget.AssertWithin("engine.classify.bytesPerRequest", one);
        AllocationBudget.AssertWithin("engine.classify.bytesPerFurtherTask", (three - one) / 2);

        // Off the test's synchronization context, which would allocate for each request.
        Task<double> BytesAsync(params string[] tasks) => Task.Run(async () =>
        {
            const int requests = 200;
            var request = EngineFixture.Request("a b c d e f", tasks);
            return (double)await Allocations.OfProcessOnceWarmAsync(
                () => fixture.Engine.ClassifyAsync(request), requests) / requests;
        });
    }

    [Fact]
    public void Encode_OnceWarm_StaysWithinItsBudget()
    {
        var tokenizer = new BertFolder(Path.Combine(AppContext.BaseDirectory, "golden", "bert")).LoadTokenizer();
        var text = string.Join(' ', Enumerable.Repeat("a b c, d e f.", 10));
        var tokens = tokenizer.Encode(text).Tokens.Count;
        const int runs = 50;
        var bytes = Allocations.OnceWarm(() => tokenizer.Encode(text), runs);
        AllocationBudget.AssertWithin("tokenizer.encode.bytesPerToken", (double)bytes / runs / tokens);
    }

    [Fact]
    public async Task LoadAndUnload_TenThousandTimes_LeavesNothing()
    {
        using var fixture = new EngineFixture();
        var folder = fixture.WriteTask(seed: 1);
        async Task CycleAsync()
        {
            var version = await fixture.Engine.LoadTaskAsync("t", folder);
            fixture.Engine.ActivateTask("t", version);
            await fixture.Engine.UnloadTaskAsync("t", version);
        }

        await CycleAsync();
        var device = fixture.Backend.AllocatedBytes;
        var managed = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < 10_000; i++)
            await CycleAsync();

        Assert.Equal(device, fixture.Backend.AllocatedBytes);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - managed, long.MinValue, 1 << 20);
    }
}
