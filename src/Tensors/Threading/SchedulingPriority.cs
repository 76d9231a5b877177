using System.Runtime.CompilerServices;
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
    private const ulong LongTurn = 10_000_000; // Nanoseconds; Linux's own are around 3 ms.

    // sched_setattr, for which only the newest C libraries have a function.
    private static readonly nint? SetAttributesCall = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 314,
        Architecture.Arm64 => 274,
        _ => null
    };

    /// <summary>Lets other threads go first, by so many steps of niceness; each is worth about a fourth of the share.</summary>
    /// <remarks>
    /// Its turns become longer, too: Linux from 6.12 on lets a thread with shorter turns that wakes up interrupt it at once,
    /// where it would wait for the end of the turn otherwise, up to the next tick of the clock.
    /// Linux; elsewhere it does nothing. A hint: it may fail.
    /// </remarks>
    public static void Lower(int niceness)
    {
        if (!OperatingSystem.IsLinux())
            return;
        _ = SetPriority(which: 0, ThisThread, niceness); // On Linux it is the thread's own.
        var attributes = new SchedulingAttributes
        {
            Size = (uint)Unsafe.SizeOf<SchedulingAttributes>(),
            Niceness = niceness,
            Runtime = LongTurn
        };
        if (SetAttributesCall is { } call)
            _ = SystemCall(call, ThisThread, in attributes, flags: 0);
    }

    /// <summary>Takes processors only while nobody else wants them; threads and processes that this one starts do so, too.</summary>
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

    /// <summary>Keeps this thread, and processes that it starts, to the last few of the processors that it may run on.</summary>
    /// <remarks>
    /// The runtime gives new threads of this process all processors again.
    /// A processor that always finds something to do at the lowest rank does not look at what waits on the others; one that
    /// is left alone does, and takes it over. Linux; elsewhere it does nothing. A hint: it may fail.
    /// </remarks>
    /// <param name="count">Processors, at least 1.</param>
    public static void KeepToLast(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        const int wordBits = 64;
        Span<ulong> mask = stackalloc ulong[128]; // 8192 processors, the most that Linux can be built for.
        var bytes = (nuint)(mask.Length * sizeof(ulong));
        if (!OperatingSystem.IsLinux() || GetAffinity(ThisThread, bytes, ref mask[0]) < 0)
            return;
        for (var processor = (mask.Length * wordBits) - 1; processor >= 0; processor--)
        {
            var bit = 1UL << (processor % wordBits);
            if ((mask[processor / wordBits] & bit) != 0 && --count < 0)
                mask[processor / wordBits] &= ~bit;
        }

        _ = SetAffinity(ThisThread, bytes, ref mask[0]);
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int process, nuint bytes, ref ulong mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int process, nuint bytes, ref ulong mask);

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int process, int policy, ref int priority);

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, int thread, in SchedulingAttributes attributes, uint flags);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int niceness);

    /// <summary>Linux's struct sched_attr, as far as it is needed.</summary>
    private struct SchedulingAttributes
    {
        public uint Size;
        public uint Policy;
        public ulong Flags;
        public int Niceness;
        public uint Priority;
        public ulong Runtime;
        public ulong Deadline;
        public ulong Period;
    }
}
