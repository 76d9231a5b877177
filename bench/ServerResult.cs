using System.Collections.Concurrent;

namespace Serving.Bench;

/// <summary>What became of the requests of one measurement.</summary>
internal sealed class ServerResult
{
    private readonly ConcurrentBag<TimeSpan> _answered = [];
    private readonly ConcurrentBag<TimeSpan> _rejected = [];
    private readonly ConcurrentDictionary<string, int> _answeredByTask = new(StringComparer.Ordinal);
    private int _heldBack;

    public TimeSpan Elapsed { get; set; }

    public TimeSpan ServerCpu { get; set; }

    public TimeSpan ClientCpu { get; set; }

    public double Answered => _answered.Count;

    public double AnsweredPerSecond => _answered.Count / Elapsed.TotalSeconds;

    public double RejectedPerSecond => _rejected.Count / Elapsed.TotalSeconds;

    /// <summary>Calls that the client did not send.</summary>
    public double HeldBackPerSecond => _heldBack / Elapsed.TotalSeconds;

    /// <summary>Milliseconds of a processor that the server took, for each request that it answered.</summary>
    public double ServerCpuPerRequest => ServerCpu.TotalMilliseconds / _answered.Count;

    public double ClientCpuPerRequest => ClientCpu.TotalMilliseconds / _answered.Count;

    /// <summary>
    /// Of the tasks' shares of the answers: 1 when all got the same, 1/n when one got everything (Jain, Chiu and Hawe
    /// 1984).
    /// </summary>
    public double JainIndex
    {
        get
        {
            double[] shares = [.. _answeredByTask.Values];
            return shares.Length == 0
                ? 0
                : Math.Pow(shares.Sum(), 2) / (shares.Length * shares.Sum(share => share * share));
        }
    }

    /// <param name="fraction">0.5 for the median.</param>
    /// <returns>Milliseconds.</returns>
    public double AnsweredWithin(double fraction) => Percentile(_answered, fraction);

    /// <inheritdoc cref="AnsweredWithin"/>
    public double RejectedWithin(double fraction) => Percentile(_rejected, fraction);

    public void NoteHeldBack() => Interlocked.Increment(ref _heldBack);

    public void Reject(TimeSpan time) => _rejected.Add(time);

    public void Answer(string task, TimeSpan time)
    {
        _answered.Add(time);
        _answeredByTask.AddOrUpdate(task, 1, static (_, count) => count + 1);
    }

    private static double Percentile(IReadOnlyCollection<TimeSpan> times, double fraction) => times.Count == 0
        ? 0
        : Math.Round(times.Order().ElementAt((int)((times.Count - 1) * fraction)).TotalMilliseconds, 3);
}
