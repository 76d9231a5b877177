using System.CommandLine;
using System.Diagnostics;
using Serving.Backends;
using Serving.Models.Decoders;
using Serving.Models.Gpt2;
using Serving.Tensors;

namespace Serving.Bench;

/// <summary>A GPT-2's prompt in one pass, and its steps of one token a sequence.</summary>
internal static class DecodeBench
{
    private const int Steps = 8;

    /// <summary>GPT-2 small (Radford et al. 2019, table 2).</summary>
    private static readonly Gpt2Config Small = new()
    {
        Vocab = 50_257,
        Hidden = 768,
        Layers = 12,
        Heads = 12,
        Inner = 3072
    };

    public static Command Create()
    {
        var sequences = new Option<int>("--sequences") { DefaultValueFactory = _ => 1 };
        var prompt = new Option<int>("--prompt")
        {
            DefaultValueFactory = _ => 512,
            Description = "Tokens of each sequence's prompt."
        };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
        var runs = new Option<int>("--runs") { DefaultValueFactory = _ => 5 };
        var bfloat16 = new Option<bool>("--bfloat16") { Description = "Keep weights in bfloat16." };
        var device = CommonOptions.Device();
        var json = CommonOptions.Json();
        var command = new Command("decode", "A GPT-2 small, greedy, without the choice of tokens.")
        {
            sequences, prompt, threads, runs, bfloat16, device, json
        };
        command.SetAction(parsed => Run(
            parsed.GetValue(sequences),
            parsed.GetValue(prompt),
            parsed.GetValue(device)!,
            parsed.GetValue(threads),
            parsed.GetValue(runs),
            parsed.GetValue(bfloat16) ? WeightFormat.BFloat16 : WeightFormat.Float32,
            parsed.GetValue(json)));
        return command;
    }

    /// <summary>Bytes of weights that a step reads: all matrices of layers, and the head.</summary>
    private static double StepBytes(WeightFormat format)
    {
        var (hidden, inner) = ((double)Small.Hidden, (double)Small.Inner);
        var weights = (Small.Layers * ((4 * hidden * hidden) + (2 * hidden * inner))) + (Small.Vocab * hidden);
        return weights * (format == WeightFormat.Float32 ? sizeof(float) : sizeof(ushort));
    }

    private static void Run(
        int sequences, int prompt, string device, int threads, int runs, WeightFormat format, bool asJson)
    {
        using var backend = BackendFactory.Create(device, new() { Threads = threads });
        using var decoder = Gpt2Decoder.Load(backend, Small, new RandomBertWeights(), format);
        var blocks = decoder.BlocksOf(prompt + Steps);
        using var cache = decoder.CreateCache(sequences * blocks);
        using var workspace = decoder.CreateWorkspace(
            new(Math.Max(prompt, sequences), sequences, sequences, sequences * blocks));
        var all = Enumerable.Range(0, sequences).Select(_ => new CachedSequence(KeyValueCache.BlockTokens)).ToArray();
        var batch = new DecoderBatch();
        var prompts = Measurement.Median(runs, () =>
        {
            for (var i = 0; i < sequences; i++)
                Prefill(i);
        });
        var steps = new List<TimeSpan>();
        for (var run = 0; run < runs; run++)
        {
            for (var i = 0; i < sequences; i++)
                Prefill(i);
            for (var step = 0; step < Steps; step++)
            {
                var start = Stopwatch.GetTimestamp();
                Step();
                steps.Add(Stopwatch.GetElapsedTime(start));
            }
        }

        var median = Measurement.Median(steps);
        Measurement.Print(
            asJson,
            ("bench", "decode"),
            ("device", backend.Description),
            ("format", format.ToString()),
            ("sequences", sequences),
            ("prompt", prompt),
            ("prompt_tokens_per_s", Measurement.Rounded(sequences * prompt / prompts.TotalSeconds)),
            ("step_ms", Measurement.Rounded(median.TotalMilliseconds)),
            ("step_ms_best", Measurement.Rounded(steps.Min().TotalMilliseconds)),
            ("weight_gb_per_s", Measurement.Rounded(StepBytes(format) / median.TotalSeconds / 1e9)));

        void Prefill(int i)
        {
            all[i].Clear();
            for (var block = 0; block < blocks; block++)
                all[i].AddBlock((i * blocks) + block);
            batch.Clear();
            batch.Add(all[i], new int[prompt], LogitRows.Last);
            decoder.Forward(batch, cache, workspace);
        }

        void Step()
        {
            batch.Clear();
            foreach (var sequence in all)
                batch.Add(sequence, [1], LogitRows.Last);
            decoder.Forward(batch, cache, workspace);
        }
    }
}
