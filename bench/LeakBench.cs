using System.CommandLine;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Bench;

/// <summary>Resident memory over many mixed batches, and over models and tasks that come and go.</summary>
internal static class LeakBench
{
    private const int MaxTokens = 1024;
    private const int MaxBranches = 16;
    private const int LongestText = 60;
    private const int TaskCount = 3;
    private const int Parts = 5; // Resident memory is measured as often; the first part is warm-up.

    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            DefaultValueFactory = _ => "tiny",
            Description = string.Join(", ", Shapes.Names)
        };
        var batches = new Option<int>("--batches")
        {
            DefaultValueFactory = _ => 10_000,
            Description = "Of texts of many lengths, with and without masks."
        };
        var cycles = new Option<int>("--cycles")
        {
            DefaultValueFactory = _ => 1000,
            Description = "In which a model and a task are loaded, used and unloaded."
        };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command("leak", "Resident memory over many batches, and over loads and unloads.")
        {
            shape, batches, cycles, threads, device, json
        };
        command.SetAction(parsed => Run(
            parsed.GetValue(shape)!,
            parsed.GetValue(batches),
            parsed.GetValue(cycles),
            parsed.GetValue(device)!,
            parsed.GetValue(threads),
            parsed.GetValue(json)));
        return command;
    }

    private static void Run(string shape, int batches, int cycles, string device, int threads, bool asJson)
    {
        var config = Shapes.Bert(shape);
        using var backend = CommonOptions.CreateBackend(device, threads);
        var weights = new RandomBertWeights();
        using (var encoder = BertEncoder.Load(backend, config, weights))
        using (var workspace = encoder.CreateWorkspace(MaxTokens, MaxBranches))
        {
            BertMasks?[] tasks = [null, .. Enumerable.Range(0, TaskCount).Select(i => Masks(backend, config, i))];
            Measure("mixed batches", batches, batch => Pass(encoder, workspace, tasks, batch));
            foreach (var task in tasks)
                task?.Dispose();
        }

        Measure("loads and unloads", cycles, cycle =>
        {
            using var encoder = BertEncoder.Load(backend, config, weights, (WeightFormat)(cycle % 2));
            using var workspace = encoder.CreateWorkspace(MaxTokens, MaxBranches);
            using var masks = Masks(backend, config, cycle % TaskCount);
            Pass(encoder, workspace, [null, masks], cycle);
        });

        void Measure(string what, int count, Action<int> run)
        {
            var resident = new List<long>();
            for (var part = 0; part < Parts; part++)
            {
                for (var i = count * part / Parts; i < count * (part + 1) / Parts; i++)
                    run(i);
                resident.Add(ResidentMemory.Bytes());
            }

            Measurement.Print(
                asJson,
                ("bench", "leak"),
                ("shape", shape),
                ("backend", backend.Description),
                ("what", what),
                ("count", count),
                ("resident_mib_after_each_fifth", string.Join(' ', resident.Select(bytes => bytes >> 20))),
                ("grown_mib_since_the_first", Measurement.Rounded((resident[^1] - resident[0]) / (double)(1 << 20))),
                ("ledger_bytes", backend.AllocatedBytes));
        }
    }

    private static BertMasks Masks(TensorBackend backend, BertConfig config, int seed)
    {
        var random = new RandomMasks(seed);
        random.Prepare(config);
        return BertMasks.Load(backend, config, random);
    }

    /// <summary>One to three texts under each task.</summary>
    private static void Pass(BertEncoder encoder, BertWorkspace workspace, BertMasks?[] tasks, int seed)
    {
        var random = new Random(seed);
        var batch = new BertBatch();
        foreach (var task in tasks)
        {
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                Token[] tokens = [.. Enumerable.Range(0, random.Next(2, LongestText)).Select(
                    _ => new Token(random.Next(encoder.Config.Vocab), 0, TokenSource.Text, default))];
                batch.AddBranch(batch.AddSequence(new(tokens, DroppedTokens: 0)), task);
            }
        }

        _ = encoder.Forward(batch, workspace).ToArray();
    }
}
