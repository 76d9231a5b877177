using System.Diagnostics.Metrics;
using Serving.Inference.Scheduling;

namespace Serving.Inference.Classification;

/// <summary>What a classification engine measures besides its queue: padding and memory.</summary>
internal sealed class ClassificationMetrics
{
    private readonly EngineMetrics _engine;
    private readonly Counter<long> _paddingSaved;

    /// <param name="memory">The engine's ledger at present.</param>
    public ClassificationMetrics(EngineMetrics engine, Func<EngineMemory> memory)
    {
        _engine = engine;
        _paddingSaved = engine.Meter.CreateCounter<long>(
            "serving.batch.padding_saved", "{token}",
            "Tokens of padding that batches of one length would have computed.");
        engine.Meter.CreateObservableUpDownCounter(
            "serving.memory.usage", () => Tiers(memory()), "By", "Device memory, by tier.");
    }

    public void BatchDone(List<WorkUnit> units, TimeSpan computed)
    {
        var branches = 0;
        var tokens = 0;
        var longest = 0;
        foreach (var unit in units)
        {
            branches += unit.Branches;
            tokens += unit.Tokens;
            longest = Math.Max(longest, unit.Request.Sequence.Tokens.Count);
        }

        _engine.BatchDone(branches, tokens, computed);
        _paddingSaved.Add(((long)longest * branches) - tokens, _engine.Model);
    }

    private IEnumerable<Measurement<long>> Tiers(EngineMemory memory)
    {
        yield return Tier("parameters", memory.Backbone);
        yield return Tier("workspace", memory.Workspace);
        yield return Tier("tasks", memory.Tasks.Sum(task => task.Bytes));
    }

    private Measurement<long> Tier(string tier, long bytes) => new(bytes, _engine.Model, new("serving.tier", tier));
}
