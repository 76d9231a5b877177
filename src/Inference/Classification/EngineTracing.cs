using System.Diagnostics;

namespace Serving.Inference.Classification;

/// <summary>Where a request's spans belong, and since when it waits.</summary>
internal sealed record RequestTrace(ActivityContext Caller, DateTimeOffset Admitted)
{
    /// <summary>When its batch began; set by the batch that it was last in.</summary>
    public DateTimeOffset Began { get; set; }

    /// <summary>The span of that batch.</summary>
    public ActivityContext Batch { get; set; }
}

/// <summary>
/// The engine's spans: tokenize, queue and forward for each request, and one for each batch, which links its requests.
/// A batch belongs to the trace of its first traced request; the forward spans of the others link to it.
/// </summary>
internal static class EngineTracing
{
    public static readonly ActivitySource Source = new("Serving.Inference");

    /// <summary>Ends the queue spans of a batch's requests and begins the batch's; null if nobody listens.</summary>
    public static Activity? StartBatch(List<WorkUnit> units)
    {
        if (!Source.HasListeners())
            return null;
        var traced = units.Select(unit => unit.Request.Trace).OfType<RequestTrace>().Distinct().ToList();
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
    public static void EndForward(List<WorkUnit> units, TimeSpan computed)
    {
        if (!Source.HasListeners())
            return;
        foreach (var unit in units)
        {
            if (unit.Request.Trace is not { } trace || trace.Batch == default)
                continue;
            using var forward = Source.StartActivity(
                "forward", ActivityKind.Internal, trace.Caller, links: [new(trace.Batch)], startTime: trace.Began);
            forward?.SetTag("serving.tokens", unit.Tokens);
            forward?.SetEndTime((trace.Began + computed).UtcDateTime);
        }
    }
}
