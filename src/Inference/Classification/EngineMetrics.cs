using System.Diagnostics.Metrics;

namespace Serving.Inference.Classification;

/// <summary>An engine's metrics, in the meter "Serving.Inference"; each measurement names its model.</summary>
/// <remarks>While nobody listens, recording is a comparison and allocates nothing.</remarks>
internal sealed class EngineMetrics : IDisposable
{
    private readonly Meter _meter = new("Serving.Inference");
    private readonly KeyValuePair<string, object?> _model;
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<double> _batchTime;
    private readonly Histogram<int> _batchUnits;
    private readonly Histogram<int> _batchTokens;
    private readonly Counter<long> _paddingSaved;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _cancelled;

    public EngineMetrics(string model)
    {
        double[] queueSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
        _model = new("serving.model", model);
        _queueTime = _meter.CreateHistogram<double>(
            "serving.queue.duration",
            "s",
            "How long requests waited for their batch.",
            advice: new() { HistogramBucketBoundaries = queueSeconds });
        _batchTime = _meter.CreateHistogram<double>(
            "serving.batch.duration",
            "s",
            "How long batches ran.",
            advice: new() { HistogramBucketBoundaries = queueSeconds[..^1] });
        _batchUnits = _meter.CreateHistogram<int>(
            "serving.batch.branches",
            "{branch}",
            "Texts times tasks in a batch.",
            advice: new() { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });
        _batchTokens = _meter.CreateHistogram<int>(
            "serving.batch.tokens",
            "{token}",
            "Tokens in a batch, a text counted once for each task.",
            advice: new() { HistogramBucketBoundaries = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192] });
        _paddingSaved = _meter.CreateCounter<long>(
            "serving.batch.padding_saved", "{token}",
            "Tokens of padding that batches of one length would have computed.");
        _rejected = _meter.CreateCounter<long>(
            "serving.requests.rejected", "{request}", "Requests that were turned away, by reason.");
        _cancelled = _meter.CreateCounter<long>(
            "serving.requests.cancelled", "{request}",
            "Requests that their caller gave up, before or after their batch began.");
    }

    /// <summary>Measures the state of an engine, too, from now on.</summary>
    public void Observe(ClassificationEngine engine)
    {
        _meter.CreateObservableUpDownCounter(
            "serving.queue.requests", () => new Measurement<int>(engine.QueuedRequests, _model), "{request}",
            "Requests that wait.");
        _meter.CreateObservableUpDownCounter(
            "serving.queue.tokens", () => new Measurement<int>(engine.QueuedTokens, _model), "{token}",
            "Tokens that wait.");
        _meter.CreateObservableUpDownCounter(
            "serving.memory.usage", () => Memory(engine), "By", "Device memory, by tier.");
    }

    public void Rejected(string reason) => _rejected.Add(1, _model, new("serving.reason", reason));

    public void Cancelled(bool hasStarted) =>
        _cancelled.Add(1, _model, new("serving.stage", hasStarted ? "after_start" : "before_start"));

    public void BatchDone(List<WorkUnit> units, TimeSpan computed)
    {
        var branches = 0;
        var tokens = 0;
        var longest = 0;
        foreach (var unit in units)
        {
            branches += unit.TaskCount;
            tokens += unit.Tokens;
            longest = Math.Max(longest, unit.Request.Sequence.Tokens.Count);
            _queueTime.Record(unit.Request.Queued.TotalSeconds, _model);
        }

        _batchTime.Record(computed.TotalSeconds, _model);
        _batchUnits.Record(branches, _model);
        _batchTokens.Record(tokens, _model);
        _paddingSaved.Add(((long)longest * branches) - tokens, _model);
    }

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> Memory(ClassificationEngine engine)
    {
        var memory = engine.Memory;
        yield return Tier("parameters", memory.Backbone);
        yield return Tier("workspace", memory.Workspace);
        yield return Tier("tasks", memory.Tasks.Sum(task => task.Bytes));
    }

    private Measurement<long> Tier(string tier, long bytes) => new(bytes, _model, new("serving.tier", tier));
}
