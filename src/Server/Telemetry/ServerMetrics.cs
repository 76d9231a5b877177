using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Serving.Server.Telemetry;

/// <summary>The server's own metrics, in the meter "Serving.Server".</summary>
internal sealed class ServerMetrics : IDisposable
{
    public const string Meter = "Serving.Server";

    /// <summary>Stands for all tasks past those that are counted by name, and for names that are not there.</summary>
    public const string OtherTasks = "_other";

    private const int MostNamedTasks = 200;

    private readonly Meter _meter = new(Meter);
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _taskRequests;
    private readonly Counter<long> _shadows;
    private readonly ConcurrentDictionary<string, bool> _namedTasks = new(StringComparer.Ordinal);

    public ServerMetrics()
    {
        _duration = _meter.CreateHistogram<double>(
            "rpc.server.duration", "ms", "How long calls took, by method and status.");
        _taskRequests = _meter.CreateCounter<long>(
            "serving.task.requests", "{request}", "Inputs by task and outcome; past 200 tasks the rest counts as one.");
        _shadows = _meter.CreateCounter<long>(
            "serving.shadow.requests", "{request}",
            "Inputs that a shadow version ran on, by task: agrees, differs, failed, dropped.");
    }

    public void CallDone(string service, string method, int status, TimeSpan duration) => _duration.Record(
        duration.TotalMilliseconds,
        new("rpc.system", "grpc"),
        new("rpc.service", service),
        new("rpc.method", method),
        new("rpc.grpc.status_code", status));

    public void TaskDone(string task, string outcome)
    {
        if (_taskRequests.Enabled)
            _taskRequests.Add(1, new("serving.task", Named(task)), new("serving.outcome", outcome));
    }

    public void ShadowDone(string task, string outcome) =>
        _shadows.Add(1, new("serving.task", Named(task)), new("serving.outcome", outcome));

    public void Dispose() => _meter.Dispose();

    private string Named(string task)
    {
        if (_namedTasks.ContainsKey(task))
            return task;
        if (_namedTasks.Count >= MostNamedTasks)
            return OtherTasks;
        _namedTasks.TryAdd(task, true);
        return task;
    }
}
