using System.Collections.Concurrent;

namespace Serving.Hub.Tests;

/// <summary>Time in which every pause is over at once, and nobody loses patience.</summary>
/// <param name="patience">The pause that never ends.</param>
internal sealed class RetryTime(TimeSpan patience) : TimeProvider
{
    /// <summary>The pauses that were made.</summary>
    public ConcurrentQueue<TimeSpan> Pauses { get; } = [];

    /// <summary>Whether all patience is lost from now on.</summary>
    public bool IsImpatient { get; set; }

    public override DateTimeOffset GetUtcNow() => new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime == patience && !IsImpatient)
            return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
        if (dueTime != patience)
            Pauses.Enqueue(dueTime);
        return System.CreateTimer(callback, state, TimeSpan.Zero, period);
    }
}
