using Serving.Inference.Scheduling;
using Serving.Tensors;

namespace Serving.Inference.Tests.Scheduling;

public sealed class MemoryBudgetTests
{
    [Fact]
    public void Reserve_TwoThatFitAlone_RefusesTheSecond_AndPromisesNothing()
    {
        var budget = new MemoryBudget("cuda:1", bytes: 100);
        var first = budget.Reserve("The model 'a'", 60);
        var refusal = Assert.Throws<DeviceMemoryException>(() => budget.Reserve("The model 'b'", 60));
        Assert.Equal(
            "The model 'b' needs about 60 bytes of cuda:1; of 100 (Server:DeviceMemoryBytes) 0 are in use and 60 "
            + "promised to jobs and other loads. Unload something, wait for a job to end, or allow more.",
            refusal.Message);
        Assert.Equal(60, budget.Promised);
        first.Dispose();
        first.Dispose(); // Counts once.
        Assert.Equal(0, budget.Promised);
        budget.Reserve("The model 'b'", 100).Dispose();
    }

    [Fact]
    public void TryReserve_CountsWhatIsAllocated()
    {
        var budget = new MemoryBudget("cuda:1", bytes: 100);
        var allocated = 70L;
        budget.Count(() => allocated);
        Assert.False(budget.TryReserve(31, out _));
        allocated = 69;
        Assert.True(budget.TryReserve(31, out _));
    }

    [Fact]
    public void TryReserve_WithoutLimit_HasRoomForAll() =>
        Assert.True(new MemoryBudget("cuda:1", bytes: null).TryReserve(long.MaxValue, out _));

    [Fact]
    public void TryReserve_OfManyThreads_PromisesNoMoreThanThereIs()
    {
        var budget = new MemoryBudget("cuda:1", bytes: 100);
        var promised = 0;
        Parallel.For(0, 1000, _ =>
        {
            if (budget.TryReserve(7, out var _))
                Interlocked.Increment(ref promised);
        });
        Assert.Equal((14, 98), (promised, budget.Promised)); // 14 x 7 = 98
    }

    [Fact]
    public void Watcher_LearnsOfRoom_OnAnyDevice()
    {
        var budgets = new MemoryBudgets(name => name == "cuda" ? "cuda:0" : name, _ => 10);
        var told = 0;
        var watching = budgets.Watch(() => told++);
        Assert.Same(budgets.Of("cuda"), budgets.Of("cuda:0"));
        budgets.Of("cuda").Reserve("It", 10).Dispose();
        budgets.Of("cuda:1").NoteFreed();
        watching.Dispose();
        budgets.Of("cuda:1").NoteFreed();
        Assert.Equal(2, told);
    }
}
