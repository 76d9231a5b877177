using Serving.Inference.Scheduling;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Inference.Tests.Scheduling;

public sealed class LanePoolTests
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task Lane_OfTwoEngines_IsSharedByTime()
    {
        using var backend = new CpuBackend(threads: 1);
        var time = new ManualTime();
        var began = new List<string>();
        var first = new SyncPoint();
        using var lanes = new LanePool(backend, time);
        using var slow = new TestEngine(lanes, time, (item, _) => Run(item, TimeSpan.FromMilliseconds(4)));
        using var fast = new TestEngine(lanes, time, (item, _) => Run(item, TimeSpan.FromMilliseconds(2)));
        List<Task> done = [slow.AddAsync("s0")];
        await first.ReachedAsync();
        for (var i = 1; i < 4; i++)
            done.Add(slow.AddAsync($"s{i}"));
        for (var i = 0; i < 8; i++)
            done.Add(fast.AddAsync($"f{i}"));

        first.Release();
        await Task.WhenAll(done).Within();

        // Two fast ones take as long as a slow one, however many of either wait.
        Assert.Equal("s0 f0 f1 s1 f2 f3 s2 f4 f5 s3 f6 f7", string.Join(' ', began));

        void Run(TestItem item, TimeSpan takes)
        {
            began.Add(item.Name);
            first.Reach();
            time.Advance(takes);
        }
    }

    [Fact]
    public async Task Lane_EngineThatWasQuiet_DoesNotCatchUp()
    {
        using var backend = new CpuBackend(threads: 1);
        var time = new ManualTime();
        var began = new List<string>();
        var last = new SyncPoint();
        using var lanes = new LanePool(backend, time);
        using var busy = new TestEngine(lanes, time, Run);
        using var quiet = new TestEngine(lanes, time, Run);
        for (var i = 0; i < 5; i++)
            await busy.AddAsync($"b{i}").Within();
        List<Task> done = [busy.AddAsync("stop")];
        await last.ReachedAsync();
        for (var i = 5; i < 8; i++)
            done.Add(busy.AddAsync($"b{i}"));
        for (var i = 0; i < 3; i++)
            done.Add(quiet.AddAsync($"q{i}"));

        last.Release();
        await Task.WhenAll(done).Within();

        Assert.Equal("q0 b5 q1 b6 q2 b7", string.Join(' ', began.Skip(6)));

        void Run(TestItem item, TensorBackend device)
        {
            began.Add(item.Name);
            if (item.Name == "stop")
                last.Reach();
            time.Advance(TimeSpan.FromMilliseconds(1));
        }
    }

    [Fact]
    public async Task WholeDevice_WaitsForTheLanesOfAllEngines_AndRunsAlone()
    {
        using var backend = new CpuBackend(threads: 2);
        var time = new ManualTime();
        var first = new SyncPoint();
        var running = 0;
        var isWideRunning = false;
        var beside = 0;
        var devices = new Dictionary<string, TensorBackend>(StringComparer.Ordinal);
        using var lanes = new LanePool(backend, time);
        using var a = new TestEngine(lanes, time, Run);
        using var b = new TestEngine(lanes, time, Run);
        List<Task> done = [a.AddAsync("first")];
        await first.ReachedAsync();
        done.Add(b.AddAsync("wide", needsWholeDevice: true));
        for (var i = 0; i < 20; i++)
        {
            done.Add(a.AddAsync($"a{i}"));
            done.Add(b.AddAsync($"b{i}"));
        }

        lock (devices)
            Assert.Single(devices); // Though a lane has nothing to do.
        first.Release();
        await Task.WhenAll(done).Within();

        Assert.Equal(0, beside);
        Assert.Same(backend, devices["wide"]);
        Assert.All(devices.Where(pair => pair.Key != "wide"), pair => Assert.Contains(pair.Value, backend.Lanes));

        void Run(TestItem item, TensorBackend device)
        {
            lock (devices)
            {
                devices.Add(item.Name, device);
                running++;
                if (isWideRunning || (item.NeedsWholeDevice && running > 1))
                    beside++;
                isWideRunning |= item.NeedsWholeDevice;
            }

            if (item.Name == "first")
                first.Reach();
            if (item.NeedsWholeDevice)
                SpinWait.SpinUntil(() => Volatile.Read(ref running) > 1, Moment); // Another lane would begin, if let.
            lock (devices)
            {
                running--;
                isWideRunning &= !item.NeedsWholeDevice;
            }
        }
    }

    [Fact]
    public async Task WhenIdle_CompletesOnceTheLastResultIsOut()
    {
        using var backend = new CpuBackend(threads: 2);
        var point = new SyncPoint();
        using var lanes = new LanePool(backend, TimeProvider.System);
        using var engine = new TestEngine(lanes, TimeProvider.System, (_, _) => point.Reach());
        Assert.True(lanes.WhenIdleAsync(engine).IsCompleted);
        var item = engine.AddAsync("a");
        var idle = lanes.WhenIdleAsync(engine);
        await point.ReachedAsync();
        Assert.False(idle.IsCompleted);

        point.Release();
        await idle.Within();

        Assert.True(item.IsCompleted);
    }
}
