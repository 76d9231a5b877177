using System.CommandLine;
using System.Diagnostics;
using Serving.Backends;
using Serving.Decoding;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Tensors;

namespace Serving.Bench;

/// <summary>A GPT-2's prompt in one pass, and its steps of one token a sequence, greedy.</summary>
internal static class DecoderBench
{
    public static Command Create()
    {
        var sequences = new Option<int>("--sequences") { DefaultValueFactory = _ => 1 };
        var prompt = new Option<int>("--prompt")
        {
            DefaultValueFactory = _ => 32,
            Description = "Tokens of each sequence's prompt."
        };
        var fresh = new Option<int>("--new") { DefaultValueFactory = _ => 64, Description = "Tokens of each answer." };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var runs = new Option<int>("--runs") { DefaultValueFactory = _ => 5 };
        var weights = new Option<WeightFormat>("--weights")
        {
            DefaultValueFactory = _ => WeightFormat.BFloat16,
            Description = "How weights are kept."
        };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command("decoder", "A GPT-2 small that writes, beside what memory allows.")
        {
            sequences, prompt, fresh, threads, runs, weights, device, json
        };
        command.SetAction(parsed => Run(
            new(parsed.GetValue(sequences), parsed.GetValue(prompt), parsed.GetValue(fresh), parsed.GetValue(weights)),
            parsed.GetValue(device)!,
            parsed.GetValue(threads),
            parsed.GetValue(runs),
            parsed.GetValue(json)));
        return command;
    }

    private static void Run(Shape shape, string device, int threads, int runs, bool asJson)
    {
        var bytes = RandomGpt2.StepBytes(shape.Format);
        var bandwidth = MemoryBandwidth.Measure(bytes, threads);
        using var backend = BackendFactory.Create(device, new() { Threads = threads });
        using var decoder = RandomGpt2.Load(backend, shape.Format);
        using var writer = new Writer(decoder, shape);
        writer.Write();
        var runTimes = Enumerable.Range(0, runs).Select(_ => writer.Write()).ToList();
        bandwidth = Math.Max(bandwidth, MemoryBandwidth.Measure(bytes, threads));
        var step = Measurement.Median(runTimes.SelectMany(run => run.Steps));
        var best = runTimes.SelectMany(run => run.Steps).Min();
        var prompts = runTimes.Select(run => run.Prompts).ToList();
        var whole = runTimes.Min(run => run.Prompts + run.Steps.Aggregate(TimeSpan.Zero, (sum, time) => sum + time));
        Measurement.Print(
            asJson,
            ("bench", "decoder"),
            ("device", backend.Description),
            ("threads", threads),
            ("weights", shape.Format.ToString()),
            ("sequences", shape.Sequences),
            ("prompt", shape.Prompt),
            ("new", shape.New),
            ("tokens_per_second", PerSecond(shape.Sequences, step)),
            ("tokens_per_second_best_step", PerSecond(shape.Sequences, best)),
            ("tokens_per_second_with_prompt", PerSecond(shape.Sequences * shape.New, whole)),
            ("prompt_tokens_per_second", PerSecond(shape.Sequences * shape.Prompt, Measurement.Median(prompts))),
            ("prompt_tokens_per_second_best", PerSecond(shape.Sequences * shape.Prompt, prompts.Min())),
            ("weight_bytes_per_second", Math.Round(bytes / step.TotalSeconds)),
            ("memory_gb_per_second", Measurement.Rounded(bandwidth)),
            ("fraction_of_memory", Measurement.Rounded(bytes / step.TotalSeconds / 1e9 / bandwidth)),
            ("fraction_of_memory_best_step", Measurement.Rounded(bytes / best.TotalSeconds / 1e9 / bandwidth)),
            ("allocated_bytes_per_step", runTimes.Min(run => run.AllocatedBytes) / (shape.New - 1)));
    }

    private static double PerSecond(int tokens, TimeSpan time) => Measurement.Rounded(tokens / time.TotalSeconds);

    private sealed record Shape(int Sequences, int Prompt, int New, WeightFormat Format);

    private sealed record RunTimes(TimeSpan Prompts, IReadOnlyList<TimeSpan> Steps, long AllocatedBytes);

    /// <summary>Sequences that are written together.</summary>
    private sealed class Writer : IDisposable
    {
        private readonly Decoder _decoder;
        private readonly Shape _shape;
        private readonly int _blocks;
        private readonly DecoderCache _cache;
        private readonly DecoderWorkspace _workspace;
        private readonly CachedSequence[] _sequences;
        private readonly DecoderBatch _batch = new();
        private readonly float[] _logits = new float[RandomGpt2.Small.Vocab];
        private readonly SamplingWorkspace _sampling = new(RandomGpt2.Small.Vocab);
        private TokenSampler[] _samplers = [];

        public Writer(Decoder decoder, Shape shape)
        {
            _decoder = decoder;
            _shape = shape;
            _blocks = decoder.BlocksOf(shape.Prompt + shape.New);
            _cache = decoder.CreateCache(shape.Sequences * _blocks);
            _workspace = decoder.CreateWorkspace(
                new(Math.Max(shape.Prompt, shape.Sequences), shape.Sequences, shape.Sequences,
                    shape.Sequences * _blocks));
            _sequences = [.. Enumerable.Range(0, shape.Sequences).Select(_ => new CachedSequence(decoder.BlockTokens))];
        }

        /// <summary>Prompts, each in a pass, and steps of all sequences.</summary>
        public RunTimes Write()
        {
            var prompt = Enumerable.Range(0, _shape.Prompt).Select(i => 1000 + (i * 7)).ToArray();
            _samplers = [.. _sequences.Select(_ => new TokenSampler(
                new() { Temperature = 0, MaxTokens = _shape.New }, prompt, RandomGpt2.Small.Vocab, 1024))];
            var steps = new List<TimeSpan>(_shape.New);
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < _sequences.Length; i++)
                Read(i, prompt);
            var prompts = Stopwatch.GetElapsedTime(start);
            Step(); // Grows what grows once.
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var step = 2; step < _shape.New; step++)
            {
                start = Stopwatch.GetTimestamp();
                Step();
                steps.Add(Stopwatch.GetElapsedTime(start));
            }

            return new(prompts, steps, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        public void Dispose()
        {
            _workspace.Dispose();
            _cache.Dispose();
        }

        private void Read(int i, int[] prompt)
        {
            _sequences[i].Clear();
            for (var block = 0; block < _blocks; block++)
                _sequences[i].AddBlock((i * _blocks) + block);
            _batch.Clear();
            _batch.Add(_sequences[i], prompt, LogitRows.Last);
            _decoder.Forward(_batch, _cache, _workspace).CopyTo(_logits);
            _samplers[i].Next(_logits, _sampling);
        }

        private void Step()
        {
            _batch.Clear();
            for (var i = 0; i < _sequences.Length; i++)
                _batch.Add(_sequences[i], _samplers[i].Tokens[^1..], LogitRows.Last);
            var logits = _decoder.Forward(_batch, _cache, _workspace);
            for (var i = 0; i < _sequences.Length; i++)
            {
                logits.Slice(i, 1).CopyTo(_logits);
                _samplers[i].Next(_logits, _sampling);
            }
        }
    }
}
