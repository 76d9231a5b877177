using System.CommandLine;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Bench;

/// <summary>Forward passes of a BERT encoder, each sequence under a task's masks.</summary>
internal static class EncoderBench
{
    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            DefaultValueFactory = _ => "base",
            Description = string.Join(", ", Shapes.Names)
        };
        var batch = new Option<int>("--batch") { DefaultValueFactory = _ => 8, Description = "Sequences of a batch." };
        var seq =
            new Option<int>("--seq") { DefaultValueFactory = _ => 128, Description = "Tokens of every sequence." };
        var lengths =
            new Option<FileInfo?>("--lengths") { Description = "Tokens of each sequence, one number a line." };
        var tasks = new Option<int>("--tasks") { DefaultValueFactory = _ => 0, Description = "0 runs without masks." };
        var pruned = new Option<double>("--pruned")
        {
            Description = "The part of heads and feed-forward layers that tasks leave out; 0 for masks instead."
        };
        var mixed = new Option<bool>("--mixed") { Description = "Every second sequence is under no task." };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var runs = new Option<int>("--runs") { DefaultValueFactory = _ => 10 };
        var bfloat16 = new Option<bool>("--bfloat16") { Description = "Keep weights in bfloat16." };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command("encoder", "A BERT encoder, sequences under many tasks in one batch.")
        {
            shape, batch, seq, lengths, tasks, pruned, mixed, threads, runs, bfloat16, device, json
        };
        command.SetAction(parsed =>
        {
            var file = parsed.GetValue(lengths);
            var size = parsed.GetValue(batch);
            int[] tokens = file is null
                ? [.. Enumerable.Repeat(parsed.GetValue(seq), size)]
                : [.. File.ReadLines(file.FullName).Where(line => line.Length > 0).Select(int.Parse)];
            Run(
                parsed.GetValue(shape)!,
                size,
                tokens,
                parsed.GetValue(tasks),
                parsed.GetValue(pruned),
                parsed.GetValue(mixed),
                parsed.GetValue(device)!,
                parsed.GetValue(threads),
                parsed.GetValue(runs),
                parsed.GetValue(bfloat16) ? WeightFormat.BFloat16 : WeightFormat.Float32,
                parsed.GetValue(json));
        });
        return command;
    }

    private static void Run(
        string shape, int batchSize, int[] lengths, int tasks, double pruned, bool isMixed, string device, int threads,
        int runs, WeightFormat format, bool asJson)
    {
        var config = Shapes.Bert(shape);
        using var backend = CommonOptions.CreateBackend(device, threads);
        using var encoder = BertEncoder.Load(backend, config, new RandomBertWeights(), format);
        BertMasks?[] masks =
            [.. Enumerable.Range(0, tasks).Select(task => LoadTask(backend, config, task, pruned))];
        if (isMixed)
            masks = [.. masks.SelectMany(task => (BertMasks?[])[null, task])];
        var batches = Batches(lengths, batchSize, masks);
        using var workspace = encoder.CreateWorkspace(batches.Max(batch => batch.BranchTokens), batchSize);
        var peak = LinearBench.PeakGflops(backend);
        var median = Measurement.Median(runs, () =>
        {
            foreach (var batch in batches)
                encoder.Forward(batch, workspace);
        });

        var flops = lengths.Sum(length => 2.0 * config.MultiplyAdds(length));
        Measurement.Print(
            asJson,
            ("bench", "encoder"),
            ("shape", shape),
            ("batch", batchSize),
            ("sequences", lengths.Length),
            ("tokens", lengths.Sum()),
            ("tasks", tasks),
            ("pruned", pruned),
            ("mixed", isMixed),
            ("weights", format.ToString()),
            ("backend", backend.Description),
            ("median_ms", Measurement.Rounded(median.TotalMilliseconds)),
            ("sequences_per_second", Measurement.Rounded(lengths.Length / median.TotalSeconds)),
            ("tokens_per_second", Measurement.Rounded(lengths.Sum() / median.TotalSeconds)),
            ("gflops", Measurement.Rounded(flops * 1e-9 / median.TotalSeconds)),
            ("peak_gflops", Measurement.Rounded(peak)));
        foreach (var mask in masks)
            mask?.Dispose();
    }

    /// <param name="pruned">The part of heads and feed-forward layers that it leaves out; 0 for masks.</param>
    private static BertMasks LoadTask(TensorBackend backend, BertConfig config, int task, double pruned)
    {
        if (pruned > 0)
        {
            var heads = Spread(config.Heads, pruned);
            return BertMasks.Load(backend, config, source: null, new(
                [.. Enumerable.Repeat(heads, config.Layers)], Spread(config.Layers, pruned)));
        }

        var random = new RandomMasks(seed: 1000 * task);
        random.Prepare(config);
        return BertMasks.Load(backend, config, random);
    }

    /// <returns>A part of the numbers up to a count, as far from each other as can be.</returns>
    private static int[] Spread(int count, double part) =>
        [.. Enumerable.Range(0, count).Where(i => (int)((i + 1) * part) > (int)(i * part))];

    /// <summary>Batches in the order of the lengths; sequence i has task i modulo the tasks; sorted by task.</summary>
    private static List<BertBatch> Batches(int[] lengths, int batchSize, BertMasks?[] masks)
    {
        var batches = new List<BertBatch>();
        foreach (var chunk in lengths.Select((length, i) => (length, i)).Chunk(batchSize))
        {
            var batch = new BertBatch();
            foreach (var (length, i) in chunk.OrderBy(pair => masks.Length == 0 ? 0 : pair.i % masks.Length))
            {
                var tokens = Enumerable.Range(0, length)
                    .Select(t => new Token(((i * 131) + t) * 7919 % 30000, 0, TokenSource.Text, default));
                var sequence = batch.AddSequence(new([.. tokens], DroppedTokens: 0));
                batch.AddBranch(sequence, masks.Length == 0 ? null : masks[i % masks.Length]);
            }

            batches.Add(batch);
        }

        return batches;
    }
}
