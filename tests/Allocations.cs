namespace Serving.Testing;

/// <summary>What code allocates once it is warm.</summary>
internal static class Allocations
{
    private const int Stretches = 10;

    /// <summary>Runs an action once, then in stretches of <paramref name="runs"/>.</summary>
    /// <returns>Bytes that the calling thread allocated in the stretch with the fewest.</returns>
    /// <remarks>
    /// The least, since the runtime's count jumps by what is left of the thread's allocation context, up to 8 KiB, when
    /// large objects of another thread begin a background collection. What a run itself allocates is in every stretch.
    /// </remarks>
    public static long OnceWarm(Action action, int runs)
    {
        action();
        var least = long.MaxValue;
        for (var stretch = 0; stretch < Stretches; stretch++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var run = 0; run < runs; run++)
                action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }

    /// <summary>The same for work on any threads; no other test may run meanwhile.</summary>
    /// <returns>Bytes that the process allocated in the stretch with the fewest.</returns>
    public static async Task<long> OfProcessOnceWarmAsync(Func<Task> action, int runs)
    {
        await action();
        var least = long.MaxValue;
        for (var stretch = 0; stretch < Stretches; stretch++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var run = 0; run < runs; run++)
                await action();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return least;
    }
}
