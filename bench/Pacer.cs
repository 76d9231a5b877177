using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Serving.Bench;

/// <summary>Runs an action at fixed times, to a tenth of a millisecond; the runtime's timers would bunch it.</summary>
internal static partial class Pacer
{
    /// <summary>Calls on a thread of its own; what is late is done at once.</summary>
    /// <param name="perSecond">How often, beginning now.</param>
    /// <param name="action">Gets the time it was due, as <see cref="Stopwatch.GetTimestamp"/> counts.</param>
    public static Task RunAsync(double perSecond, TimeSpan duration, Action<long> action) => Task.Factory.StartNew(
        () => Run(perSecond, duration, action), CancellationToken.None, TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    private static void Run(double perSecond, TimeSpan duration, Action<long> action)
    {
        var begin = Stopwatch.GetTimestamp();
        var times = (long)(duration.TotalSeconds * perSecond);
        for (long i = 0; i < times; i++)
        {
            var due = begin + (long)(i / perSecond * Stopwatch.Frequency);
            WaitUntil(due);
            action(due);
        }
    }

    private static void WaitUntil(long due)
    {
        var left = due - Stopwatch.GetTimestamp();
        if (left <= 0)
            return;
        var wait = new TimeSpec(
            left / Stopwatch.Frequency, left % Stopwatch.Frequency * (1_000_000_000 / Stopwatch.Frequency));
        _ = Sleep(in wait, 0);
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in TimeSpec wait, nint left);

    private readonly record struct TimeSpec(long Seconds, long Nanoseconds);
}
