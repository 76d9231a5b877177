using System.Runtime.InteropServices;

namespace Serving.Tensors.Threading;

/// <summary>How the operating system ranks this thread among the process's others.</summary>
public static partial class SchedulingPriority
{
    /// <summary>
    /// Threads that compute for whole batches: those that take requests in and send answers out go first, for they need
    /// little and everybody waits for them. At half load it halves the slowest hundredth's time (docs/results/server.md).
    /// </summary>
    public const int Compute = 5;

    /// <summary>Threads whose work nobody waits for: idle time, and little else.</summary>
    public const int Background = 15;

    private const int ThisThread = 0;

    /// <summary>Lets other threads go first, by so many steps of niceness; each is worth about a fourth of the share.</summary>
    /// <remarks>Linux; elsewhere it does nothing. A hint: it may fail.</remarks>
    public static void Lower(int niceness)
    {
        if (OperatingSystem.IsLinux())
            _ = SetPriority(which: 0, ThisThread, niceness); // On Linux it is the thread's own.
    }

    /// <summary>Takes processors only while nobody else wants them; threads that this one starts do so, too.</summary>
    /// <remarks>
    /// Linux's SCHED_IDLE: whoever wakes up gets the processor at once, which the highest niceness does not promise.
    /// Elsewhere it does nothing. A hint: it may fail.
    /// </remarks>
    public static void LowerToIdle()
    {
        const int idlePolicy = 5;
        var priority = 0;
        if (OperatingSystem.IsLinux())
            _ = SetScheduler(ThisThread, idlePolicy, ref priority);
    }

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int process, int policy, ref int priority);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int niceness);
}
