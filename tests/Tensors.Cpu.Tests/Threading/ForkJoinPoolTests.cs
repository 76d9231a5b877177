using System.Diagnostics.CodeAnalysis;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu.Tests.Threading;

[SuppressMessage("Performance", "CA1859", Justification = "The jobs are structs by contract.")]
public sealed class ForkJoinPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Run_DoesEachItemOnce_OnWorkersOfItsOwn(int threads)
    {
        using var pool = new ForkJoinPool(threads);
        for (var items = 0; items < 300; items++)
        {
            var job = new CountingJob { Counts = new int[items], Workers = threads };
            pool.Run(ref job, items);
            Assert.All(job.Counts, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public void Run_AfterWorkersHaveParked_WakesThem()
    {
        using var pool = new ForkJoinPool(2);
        for (var i = 0; i < 5; i++)
        {
            // Both items must run at the same time: each waits for the other.
            using var barrier = new Barrier(2);
            var job = new MeetingJob { Barrier = barrier };
            pool.Run(ref job, items: 2);
            Assert.True(SpinWait.SpinUntil(() => pool.ParkedWorkers == 1, TimeSpan.FromSeconds(30)));
        }
    }

    [Fact]
    public void Run_FromSeveralThreads_TakesTurns()
    {
        using var pool = new ForkJoinPool(3);
        Parallel.For(0, 200, i =>
        {
            var job = new CountingJob { Counts = new int[i], Workers = 3 };
            pool.Run(ref job, i);
            Assert.All(job.Counts, count => Assert.Equal(1, count));
        });
    }

    [Fact]
    public void Run_ManySmallJobsInARow_DoesEachItemOnce()
    {
        // A worker that comes late for one job must take nothing of the next by mistake.
        using var pool = new ForkJoinPool(4);
        for (var i = 0; i < 50_000; i++)
        {
            var job = new CountingJob { Counts = new int[1 + (i % 5)], Workers = 4 };
            pool.Run(ref job, job.Counts.Length);
            if (job.Counts.Any(count => count != 1))
                Assert.Fail($"Job {i}: {string.Join(' ', job.Counts)}");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Run_ItemThatFails_FailsTheCallAndNotTheNext(int threads)
    {
        using var pool = new ForkJoinPool(threads);
        var exception = Record.Exception(() =>
        {
            var failing = default(FailingJob);
            pool.Run(ref failing, 50);
        });
        Assert.IsType<InvalidOperationException>(exception is AggregateException all ? all.InnerException : exception);

        var job = new CountingJob { Counts = new int[50], Workers = threads };
        pool.Run(ref job, 50);
        Assert.All(job.Counts, count => Assert.Equal(1, count));
    }

    [Fact]
    public void Run_AfterDispose_IsRefused()
    {
        var pool = new ForkJoinPool(2);
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() =>
        {
            var job = default(FailingJob);
            pool.Run(ref job, 1);
        });
    }

    /// <summary>The worker is somewhere between its start and its first sleep, everywhere in the end.</summary>
    [Fact]
    public async Task Dispose_AtAnyMoment_EndsTheWorkers()
    {
        const int Pools = 20_000;
        await Task.Run(() =>
        {
            for (var i = 0; i < Pools; i++)
            {
                var pool = new ForkJoinPool(2);
                Thread.SpinWait(i % 1000);
                pool.Dispose();
            }
        }).WaitAsync(TimeSpan.FromMinutes(5));
    }

    private struct CountingJob : IParallelJob
    {
        public int[] Counts;
        public int Workers;

        public readonly void Execute(int item, int worker)
        {
            Assert.InRange(worker, 0, Workers - 1);
            Interlocked.Increment(ref Counts[item]);
        }
    }

    private struct MeetingJob : IParallelJob
    {
        public Barrier Barrier;

        public readonly void Execute(int item, int worker) =>
            Assert.True(Barrier.SignalAndWait(TimeSpan.FromSeconds(30)));
    }

    private struct FailingJob : IParallelJob
    {
        public readonly void Execute(int item, int worker)
        {
            if (item == 20)
                throw new InvalidOperationException("item 20");
        }
    }
}
