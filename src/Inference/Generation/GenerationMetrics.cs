using System.Diagnostics.Metrics;
using Serving.Inference.Scheduling;

namespace Serving.Inference.Generation;

/// <summary>What a generation engine measures besides its queue.</summary>
/// <remarks>Times have the names of OpenTelemetry's semantic conventions for generative AI.</remarks>
internal sealed class GenerationMetrics
{
    private readonly EngineMetrics _engine;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _laterTokens;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _shared;
    private readonly KeyValuePair<string, object?>[] _ofModel;
    private readonly KeyValuePair<string, object?>[] _ofInput;
    private readonly KeyValuePair<string, object?>[] _ofOutput;

    public GenerationMetrics(EngineMetrics engine)
    {
        _engine = engine;
        _ofModel =
        [
            new("gen_ai.operation.name", "text_completion"), new("gen_ai.provider.name", "serving"),
            new("gen_ai.request.model", engine.Model.Value)
        ];
        _ofInput = [engine.Model, new("gen_ai.token.type", "input")];
        _ofOutput = [engine.Model, new("gen_ai.token.type", "output")];
        _firstToken = engine.Meter.CreateHistogram<double>(
            "gen_ai.server.time_to_first_token", "s", "From a request until its first token.",
            advice: new()
            {
                HistogramBucketBoundaries =
                    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
            });
        _laterTokens = engine.Meter.CreateHistogram<double>(
            "gen_ai.server.time_per_output_token", "s", "Of an answer, from token to token behind the first.",
            advice: new()
            {
                HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
            });
        _tokens = engine.Meter.CreateCounter<long>(
            "serving.generation.tokens", "{token}", "Tokens of prompts, for each answer to one, and of answers.");
        _shared = engine.Meter.CreateCounter<long>(
            "serving.cache.reused", "{token}", "Tokens of prompts that the cache had, for each answer to one.");
    }

    /// <summary>Measures memory, too, from now on.</summary>
    /// <param name="usedBlocks">Blocks of the cache that sequences have.</param>
    public void Observe(Func<GenerationMemory> memory, Func<int> running, Func<int> usedBlocks, int blocks)
    {
        var meter = _engine.Meter;
        meter.CreateObservableUpDownCounter(
            "serving.memory.usage", () => Tiers(memory()), "By", "Device memory, by tier.");
        meter.CreateObservableUpDownCounter(
            "serving.sequences.running", () => new Measurement<int>(running(), _engine.Model), "{sequence}",
            "Sequences that run.");
        meter.CreateObservableGauge(
            "serving.cache.utilization", () => new Measurement<double>((double)usedBlocks() / blocks, _engine.Model),
            "1", "How much of the cache of keys and values running sequences have.");
    }

    /// <summary>An answer begins.</summary>
    /// <param name="promptTokens">What it answers.</param>
    /// <param name="sharedTokens">Those of them that the cache had.</param>
    public void AnswerBegan(int promptTokens, int sharedTokens)
    {
        _tokens.Add(promptTokens, _ofInput);
        _shared.Add(sharedTokens, _engine.Model);
    }

    /// <summary>A request has its first token.</summary>
    public void FirstToken(TimeSpan elapsed) => _firstToken.Record(elapsed.TotalSeconds, _ofModel);

    public void TokenCame() => _tokens.Add(1, _ofOutput);

    /// <summary>An answer of several tokens is complete.</summary>
    /// <param name="each">From token to token.</param>
    public void AnswerEnded(TimeSpan each) => _laterTokens.Record(each.TotalSeconds, _ofModel);

    private IEnumerable<Measurement<long>> Tiers(GenerationMemory memory)
    {
        yield return Tier("parameters", memory.Parameters);
        yield return Tier("workspace", memory.Workspace);
        yield return Tier("cache", memory.Cache);
    }

    private Measurement<long> Tier(string tier, long bytes) => new(bytes, _engine.Model, new("serving.tier", tier));
}
