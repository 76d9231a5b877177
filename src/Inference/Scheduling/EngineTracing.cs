using System.Diagnostics;

namespace Serving.Inference.Scheduling;

/// <summary>
/// Engines' spans: queue and forward for each item, and one for each batch, which links its items. A batch belongs to
/// the trace of its first traced item; the forward spans of the others link to it.
/// </summary>
internal static class EngineTracing
{
    public static readonly ActivitySource Source = new("Serving.Inference");

    /// <summary>Ends the queue spans of a batch's items and begins the batch's; null if nobody listens.</summary>
    public static Activity? StartBatch<TUnit>(List<TUnit> units)
        where TUnit : IWorkUnit
    {
        if (!Source.HasListeners())
            return null;
        var traced = units.Select(unit => unit.Item.Trace).OfType<RequestTrace>().Distinct().ToList();
        if (traced.Count == 0)
            return null;
        var batch = Source.StartActivity(
            "batch",
            ActivityKind.Internal,
            traced[0].Caller,
            tags: [
                new("serving.batch.units", units.Count), new("serving.batch.tokens", units.Sum(unit => unit.Tokens))
            ],
            links: traced.Select(trace => new ActivityLink(trace.Caller)));
        foreach (var trace in traced)
        {
            trace.Began = batch?.StartTimeUtc ?? trace.Admitted;
            trace.Batch = batch?.Context ?? default;
            using var queue = Source.StartActivity(
                "queue", ActivityKind.Internal, trace.Caller, startTime: trace.Admitted);
            queue?.SetEndTime(trace.Began.UtcDateTime);
        }

        return batch;
    }

    /// <summary>Writes the forward spans of a batch that is done.</summary>
    public static void EndForward<TUnit>(List<TUnit> units, TimeSpan computed)
        where TUnit : IWorkUnit
    {
        if (!Source.HasListeners())
            return;
        foreach (var unit in units)
            EndForward(unit, computed);
    }

    /// <summary>Writes the forward span of a unit that is done.</summary>
    public static void EndForward<TUnit>(TUnit unit, TimeSpan computed)
        where TUnit : IWorkUnit
    {
        if (unit.Item.Trace is not { } trace || trace.Batch == default)
            return;
        using var forward = Source.StartActivity(
            "forward", ActivityKind.Internal, trace.Caller, links: [new(trace.Batch)], startTime: trace.Began);
        forward?.SetTag("serving.tokens", unit.Tokens);
        forward?.SetEndTime((trace.Began + computed).UtcDateTime);
    }
}
