using System.CommandLine;
using System.Diagnostics;
using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Models.Bert;
using Serving.Text.Bert;

namespace Serving.Bench;

/// <summary>Loading, activating and unloading tasks while others are served: times, bytes, and leaks.</summary>
internal static class SwapBench
{
    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            DefaultValueFactory = _ => "base",
            Description = string.Join(", ", Shapes.Names)
        };
        var tasks =
            new Option<int>("--tasks") { DefaultValueFactory = _ => 100, Description = "Resident at the same time." };
        var firstLayer = new Option<int>("--first-layer") { Description = "Layers below it have no masks." };
        var cycles = new Option<int>("--cycles")
        {
            DefaultValueFactory = _ => 1000,
            Description = "Loads and unloads for the leak check."
        };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command("swap", "Task versions loaded from disk, activated and unloaded.")
        {
            shape, tasks, firstLayer, cycles, threads, device, json
        };
        command.SetAction(parsed => RunAsync(
            parsed.GetValue(shape)!,
            parsed.GetValue(tasks),
            parsed.GetValue(firstLayer),
            parsed.GetValue(cycles),
            parsed.GetValue(device)!,
            parsed.GetValue(threads),
            parsed.GetValue(json)));
        return command;
    }

    private static async Task RunAsync(
        string shape, int tasks, int firstLayer, int cycles, string device, int threads, bool asJson)
    {
        var config = Shapes.Bert(shape);
        var folder = Directory.CreateTempSubdirectory("serving-bench-");
        using var backend = CommonOptions.CreateBackend(device, threads);
        using var encoder = BertEncoder.Load(backend, config, new RandomBertWeights());
        var path = ServerData.WriteTask(folder.FullName, encoder, firstLayer, seed: 0);
        using var lanes = new LanePool(backend, TimeProvider.System);
        using var engine = new ClassificationEngine(lanes, encoder, Tokenizer(), new(), TimeProvider.System);
        var bytesPerTask = await LoadAsync(engine, path, "served");
        await ServeAsync(engine, requests: 50);

        // Twice: the first time into memory that the process never had, the second into what the first gave back.
        var fresh = await FillAsync(engine, path, tasks);
        var filled = await FillAsync(engine, path, tasks);

        // Requests alone, and while tasks come and go.
        var quiet = await ServeAsync(engine, requests: 300);
        using var stop = new CancellationTokenSource();
        var swapping = Task.Run(() => SwapAsync(engine, path, int.MaxValue, stop.Token));
        var busy = await ServeAsync(engine, requests: 300);
        await stop.CancelAsync();
        await swapping;

        // Until heap and pools have grown.
        await SwapAsync(engine, path, Math.Max(1, cycles / 2), CancellationToken.None);
        var beforeCycles = ResidentMemory.Bytes();
        await SwapAsync(engine, path, cycles, CancellationToken.None);
        var leaked = ResidentMemory.Bytes() - beforeCycles;
        folder.Delete(recursive: true);

        Measurement.Print(
            asJson,
            ("bench", "swap"),
            ("shape", shape),
            ("backend", backend.Description),
            ("tasks", tasks),
            ("first_masked_layer", firstLayer),
            ("bytes_per_task", bytesPerTask),
            ("load_into_fresh_memory_ms", Milliseconds(Measurement.Median(fresh.Loads))),
            ("load_ms", Milliseconds(Measurement.Median(filled.Loads))),
            ("load_max_ms", Milliseconds(filled.Loads.Max())),
            ("activate_ms", Milliseconds(Measurement.Median(filled.Activations))),
            ("activate_max_ms", Milliseconds(filled.Activations.Max())),
            ("unload_ms", Milliseconds(Measurement.Median(filled.Unloads))),
            ("ledger_bytes", fresh.LedgerBytes),
            ("resident_bytes", fresh.ResidentBytes),
            ("ledger_to_resident", Math.Round((double)fresh.LedgerBytes / fresh.ResidentBytes, 4)),
            ("quiet_p50_ms", Milliseconds(Percentile(quiet, 0.50))),
            ("quiet_p99_ms", Milliseconds(Percentile(quiet, 0.99))),
            ("swapping_p50_ms", Milliseconds(Percentile(busy, 0.50))),
            ("swapping_p99_ms", Milliseconds(Percentile(busy, 0.99))),
            ("cycles", cycles),
            ("cycles_leave_bytes", leaked));
    }

    /// <summary>Loads tasks one after another from disk, and unloads them again.</summary>
    private static async Task<Fill> FillAsync(ClassificationEngine engine, string path, int tasks)
    {
        var fill = new Fill { ResidentBytes = -ResidentMemory.Bytes(), LedgerBytes = -engine.Memory.Total };
        for (var i = 0; i < tasks; i++)
        {
            var begin = Stopwatch.GetTimestamp();
            var version = await engine.LoadTaskAsync($"task-{i}", path, Path.GetFileName(path));
            fill.Loads.Add(Stopwatch.GetElapsedTime(begin));
            begin = Stopwatch.GetTimestamp();
            engine.ActivateTask($"task-{i}", version);
            fill.Activations.Add(Stopwatch.GetElapsedTime(begin));
        }

        fill.ResidentBytes += ResidentMemory.Bytes();
        fill.LedgerBytes += engine.Memory.Total;
        for (var i = 0; i < tasks; i++)
        {
            var begin = Stopwatch.GetTimestamp();
            await engine.UnloadTaskAsync($"task-{i}", Path.GetFileName(path));
            fill.Unloads.Add(Stopwatch.GetElapsedTime(begin));
        }

        return fill;
    }

    private static double Milliseconds(TimeSpan time) => Math.Round(time.TotalMilliseconds, 4);

    private static TimeSpan Percentile(List<TimeSpan> times, double fraction) =>
        times.Order().ElementAt((int)((times.Count - 1) * fraction));

    private static async Task<long> LoadAsync(ClassificationEngine engine, string path, string name)
    {
        engine.ActivateTask(name, await engine.LoadTaskAsync(name, path, Path.GetFileName(path)));
        return engine.Memory.Tasks.Single(task => task.Task == name).Bytes;
    }

    private static async Task SwapAsync(ClassificationEngine engine, string path, int cycles, CancellationToken stop)
    {
        for (var i = 0; i < cycles && !stop.IsCancellationRequested; i++)
        {
            await LoadAsync(engine, path, "swapped");
            await engine.UnloadTaskAsync("swapped", Path.GetFileName(path));
        }
    }

    /// <summary>One request after another, of 32 tokens.</summary>
    private static async Task<List<TimeSpan>> ServeAsync(ClassificationEngine engine, int requests)
    {
        var text = string.Join(' ', Enumerable.Repeat("a", 30));
        var times = new List<TimeSpan>();
        for (var i = 0; i < requests; i++)
        {
            var begin = Stopwatch.GetTimestamp();
            await engine.ClassifyAsync(new() { Text = text, Tasks = [new("served")] });
            times.Add(Stopwatch.GetElapsedTime(begin));
        }

        return times;
    }

    private static BertTokenizer Tokenizer() => new(new(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]));

    /// <summary>What loading and unloading many tasks took.</summary>
    private sealed class Fill
    {
        public List<TimeSpan> Loads { get; } = [];

        public List<TimeSpan> Activations { get; } = [];

        public List<TimeSpan> Unloads { get; } = [];

        public long LedgerBytes { get; set; }

        public long ResidentBytes { get; set; }
    }
}
