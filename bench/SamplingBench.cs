using System.CommandLine;
using Serving.Decoding;
using Serving.Tensors;

namespace Serving.Bench;

/// <summary>Microseconds for choosing one token.</summary>
internal static class SamplingBench
{
    private const int TokensPerRun = 500;
    private const int Runs = 21;

    private static readonly (string Name, SamplingOptions Options)[] Cases =
    [
        ("top-k 40, top-p 0.9", new() { TopK = 40, TopP = 0.9 }),
        ("greedy", new() { Temperature = 0 }),
        ("pure", new()),
        ("top-p 0.9", new() { TopP = 0.9 }),
        ("typical-p 0.9", new() { TypicalP = 0.9 }),
        ("top-k 40, log-probabilities", new() { TopK = 40, TopLogProbabilities = 5 }),
        (
            "top-k 40, top-p 0.9, penalties",
            new() { TopK = 40, TopP = 0.9, RepetitionPenalty = 1.1, NoRepeatNgramSize = 3 }
        )
    ];

    public static Command Create()
    {
        var vocab = new Option<int>("--vocab") { DefaultValueFactory = _ => 50_257 };
        var json = CommonOptions.Json();
        var command = new Command("sampling", "Choosing one of a vocabulary's tokens.") { vocab, json };
        command.SetAction(parsed => Run(parsed.GetValue(vocab), parsed.GetValue(json)));
        return command;
    }

    private static void Run(int vocab, bool asJson)
    {
        // Logits as a language model has them: normal, with a standard deviation of 2.5.
        float[][] logits = [.. Enumerable.Range(0, 16).Select(row => Enumerable.Range(0, vocab)
            .Select(id => (float)(2.5 * CounterRandom.Normal((ulong)row, (ulong)id))).ToArray())];
        var working = new float[vocab];
        var workspace = new SamplingWorkspace(vocab);
        var copy = Measurement.Median(Runs, () =>
        {
            for (var i = 0; i < TokensPerRun; i++)
                logits[i % logits.Length].CopyTo(working, 0);
        });
        foreach (var (name, options) in Cases)
        {
            var processor = TimeSpan.MaxValue; // The least of a run: other processes lengthen wall time more.
            var time = Measurement.Median(Runs, () =>
            {
                var before = Environment.CpuUsage.TotalTime;
                var sampler = new TokenSampler(options with { MaxTokens = TokensPerRun }, [], vocab, 1024);
                for (var i = 0; i < TokensPerRun; i++)
                {
                    logits[i % logits.Length].CopyTo(working, 0);
                    sampler.Next(working, workspace);
                }

                var used = Environment.CpuUsage.TotalTime - before;
                processor = used < processor ? used : processor;
            });
            Measurement.Print(
                asJson,
                ("bench", "sampling"),
                ("options", name),
                ("vocab", vocab),
                ("us_per_token", Measurement.Rounded((time - copy).TotalMicroseconds / TokensPerRun)),
                ("cpu_us_per_token", Measurement.Rounded(processor.TotalMicroseconds / TokensPerRun)));
        }
    }
}
