using System.CommandLine;
using System.Diagnostics;
using Serving.Backends;
using Serving.Decoding;
using Serving.Inference.Generation;
using Serving.Inference.Scheduling;
using Serving.Tensors;

namespace Serving.Bench;

/// <summary>The engine under load: a long prompt that joins, and requests that come as they like.</summary>
internal static class GenerateBench
{
    private const int Running = 8;
    private const int LongPrompt = 512;
    private const int AnswerTokens = 64;
    private const int MostAtOnce = 16;
    private const double Offered = 1.2; // Times what a full batch writes: the batch is full but at the end.

    public static Command Create()
    {
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var weights = new Option<WeightFormat>("--weights") { DefaultValueFactory = _ => WeightFormat.BFloat16 };
        var lengths = new Option<FileInfo?>("--lengths") { Description = "Tokens of each prompt, a number a line." };
        var requests = new Option<int>("--requests") { DefaultValueFactory = _ => 96, Description = "Of the mix." };
        var json = CommonOptions.Json();
        var command = new Command("generate", "The generation engine under load, with a GPT-2 small.")
        {
            threads, weights, lengths, requests, json
        };
        command.SetAction(async (parsed, _) =>
        {
            int[] prompts = parsed.GetValue(lengths) is { } file
                ? [.. File.ReadLines(file.FullName).Select(int.Parse)]
                : [32];
            using var backend = BackendFactory.Create("cpu", new() { Threads = parsed.GetValue(threads) });
            using var lanes = new LanePool(backend, TimeProvider.System);
            using var decoder = RandomGpt2.Load(backend, parsed.GetValue(weights));
            using var engine = new GenerationEngine(
                lanes, decoder, RandomGpt2.Tokenizer(),
                new() { MaxSequences = MostAtOnce, MaxCachedTokens = MostAtOnce * 1024, MaxQueuedTokens = 1 << 20 },
                TimeProvider.System);
            (string, object?)[] facts =
                [("bench", "generate"), ("device", backend.Description), ("weights", $"{parsed.GetValue(weights)}")];
            var asJson = parsed.GetValue(json);
            await JoinAsync(engine, facts, asJson);
            await MixAsync(engine, prompts, parsed.GetValue(requests), facts, asJson);
        });
        return command;
    }

    /// <summary>A long prompt joins sequences that run: the longest that one of them waits for a token.</summary>
    private static async Task JoinAsync(GenerationEngine engine, (string, object?)[] facts, bool asJson)
    {
        const int tokens = 120;
        const int joinsAfter = 40;
        var gate = new TaskCompletionSource();
        var times = Enumerable.Range(0, Running).Select(_ => new List<long>(tokens)).ToList();
        var readers = times.Select((own, i) => ReadAsync(engine, Request(32, tokens, i), () =>
        {
            own.Add(Stopwatch.GetTimestamp());
            if (times.TrueForAll(other => other.Count >= joinsAfter))
                gate.TrySetResult();
        })).ToList();
        await gate.Task;
        var joined = Stopwatch.GetTimestamp();
        var firstToken = 0L;
        await ReadAsync(engine, Request(LongPrompt, 1, Running), () => firstToken = Stopwatch.GetTimestamp());
        await Task.WhenAll(readers);

        var before = new List<TimeSpan>();
        var during = new List<TimeSpan>();
        foreach (var own in times)
        {
            foreach (var (from, to) in own.Zip(own.Skip(1)))
            {
                if (to < joined)
                    before.Add(Stopwatch.GetElapsedTime(from, to));
                else if (from < firstToken)
                    during.Add(Stopwatch.GetElapsedTime(from, to));
            }
        }

        var step = Measurement.Median(before.Skip(Running));
        Measurement.Print(asJson, [
            .. facts,
            ("case", $"a prompt of {LongPrompt} tokens joins {Running} sequences"),
            ("step_ms", Measurement.Rounded(step.TotalMilliseconds)),
            ("largest_gap_before_in_steps", Measurement.Rounded(before.Max() / step)),
            ("gap_median_in_steps", Measurement.Rounded(Measurement.Median(during) / step)),
            ("gap_largest_in_steps", Measurement.Rounded(during.Max() / step)),
            ("first_token_ms", Measurement.Rounded(Stopwatch.GetElapsedTime(joined, firstToken).TotalMilliseconds))]);
    }

    /// <summary>Requests that come at random, as many as can be served, beside as many as fit all the time.</summary>
    private static async Task MixAsync(
        GenerationEngine engine, int[] prompts, int requests, (string, object?)[] facts, bool asJson)
    {
        var mean = (int)Math.Round(prompts.Average());
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, requests).Select(i =>
            ReadAsync(engine, Request(mean, AnswerTokens, i), () => { })));
        var full = requests * AnswerTokens / Stopwatch.GetElapsedTime(start).TotalSeconds;

        // Lengths of answers are uniform around the same mean; arrivals are a Poisson process.
        var random = new Random(1);
        var generated = 0;
        var arrival = TimeSpan.Zero;
        var running = new List<Task>();
        start = Stopwatch.GetTimestamp();
        for (var i = 0; i < requests; i++)
        {
            arrival += TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) * AnswerTokens / (Offered * full));
            var tokens = random.Next(AnswerTokens / 2, (AnswerTokens * 3 / 2) + 1);
            generated += tokens;
            if (arrival - Stopwatch.GetElapsedTime(start) is { Ticks: > 0 } wait)
                await Task.Delay(wait);
            running.Add(ReadAsync(engine, Request(prompts[i % prompts.Length], tokens, requests + i), () => { }));
        }

        await Task.WhenAll(running);
        var mixed = generated / Stopwatch.GetElapsedTime(start).TotalSeconds;
        Measurement.Print(asJson, [
            .. facts,
            ("case", "requests that come at random, beside a full batch"),
            ("requests", requests),
            ("prompt_tokens_mean", mean),
            ("full_tokens_per_second", Measurement.Rounded(full)),
            ("mixed_tokens_per_second", Measurement.Rounded(mixed)),
            ("mixed_of_full", Measurement.Rounded(mixed / full))]);
    }

    /// <param name="onToken">Each token comes with its log-probability, so that none is held back.</param>
    private static async Task ReadAsync(GenerationEngine engine, GenerationRequest request, Action onToken)
    {
        await foreach (var part in engine.Generate(request).ReadAllAsync())
        {
            foreach (var _ in part.Tokens)
                onToken();
        }
    }

    private static GenerationRequest Request(int promptTokens, int tokens, int seed) => new()
    {
        Prompt = RandomGpt2.Prompt(promptTokens, seed),
        Sampling = new() { MaxTokens = tokens, Seed = (ulong)seed, TopK = 40, TopP = 0.9, LogProbabilities = true },
        IgnoresEnd = true,
        IsPaced = true
    };
}
