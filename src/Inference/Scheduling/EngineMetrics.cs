using System.Diagnostics.Metrics;

namespace Serving.Inference.Scheduling;

/// <summary>
/// Metrics of an engine's queue and batches, in the meter "Serving.Inference"; each measurement names its model.
/// </summary>
/// <remarks>While nobody listens, recording is a comparison and allocates nothing.</remarks>
internal sealed class EngineMetrics : IDisposable
{
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<double> _batchTime;
    private readonly Histogram<int> _batchBranches;
    private readonly Histogram<int> _batchTokens;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _cancelled;

    public EngineMetrics(string model)
    {
        double[] queueSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
        Model = new("serving.model", model);
        _queueTime = Meter.CreateHistogram<double>(
            "serving.queue.duration",
            "s",
            "How long requests waited for their batch.",
            advice: new() { HistogramBucketBoundaries = queueSeconds });
        _batchTime = Meter.CreateHistogram<double>(
            "serving.batch.duration",
            "s",
            "How long batches ran.",
            advice: new() { HistogramBucketBoundaries = queueSeconds[..^1] });
        _batchBranches = Meter.CreateHistogram<int>(
            "serving.batch.branches",
            "{branch}",
            "Texts times tasks in a batch.",
            advice: new() { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });
        _batchTokens = Meter.CreateHistogram<int>(
            "serving.batch.tokens",
            "{token}",
            "Tokens in a batch, a text counted once for each task.",
            advice: new() { HistogramBucketBoundaries = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192] });
        _rejected = Meter.CreateCounter<long>(
            "serving.requests.rejected", "{request}", "Requests that were turned away, by reason.");
        _cancelled = Meter.CreateCounter<long>(
            "serving.requests.cancelled", "{request}",
            "Requests that their caller gave up, before or after their batch began.");
    }

    /// <summary>For what an engine measures besides.</summary>
    public Meter Meter { get; } = new("Serving.Inference");

    /// <summary>The attribute of each measurement.</summary>
    public KeyValuePair<string, object?> Model { get; }

    /// <summary>Measures what waits, too, from now on.</summary>
    public void Observe(Func<QueueLoad> waiting)
    {
        Meter.CreateObservableUpDownCounter(
            "serving.queue.requests", () => new Measurement<int>(waiting().Requests, Model), "{request}",
            "Requests that wait.");
        Meter.CreateObservableUpDownCounter(
            "serving.queue.tokens", () => new Measurement<int>(waiting().Tokens, Model), "{token}",
            "Tokens that wait.");
    }

    public void Rejected(string reason) => _rejected.Add(1, Model, new("serving.reason", reason));

    public void Cancelled(bool hasStarted) =>
        _cancelled.Add(1, Model, new("serving.stage", hasStarted ? "after_start" : "before_start"));

    /// <summary>Notes how long units waited that have left the queue to run.</summary>
    public void Left<TUnit>(List<TUnit> units)
        where TUnit : IWorkUnit
    {
        foreach (var unit in units)
            _queueTime.Record(unit.Item.Queued.TotalSeconds, Model);
    }

    public void BatchDone(int branches, int tokens, TimeSpan computed)
    {
        _batchTime.Record(computed.TotalSeconds, Model);
        _batchBranches.Record(branches, Model);
        _batchTokens.Record(tokens, Model);
    }

    public void Dispose() => Meter.Dispose();
}
