using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Serving.Threading;

/// <summary>How the operating system ranks this thread among the process's others.</summary>
public static partial class SchedulingPriority
{
    /// <summary>
    /// Niceness of threads that compute batches: threads that receive requests and send answers go first, since they
    /// need little time and everybody waits for them. At half load this halves the slowest hundredth's time
    /// (docs/decisions/0011-serving-on-few-cores.md).
    /// </summary>
    public const int Compute = 5;

    /// <summary>Niceness of threads whose work nobody waits for: they get idle time and little else.</summary>
    public const int Background = 15;

    private const int ThisThread = 0;
    private const int NormalPolicy = 0; // SCHED_OTHER
    private const int IdlePolicy = 5; // SCHED_IDLE
    private const ulong LongTurn = 10_000_000; // Nanoseconds; Linux's own are around 3 ms.

    // sched_setattr, for which only the newest C libraries have a function.
    private static readonly nint? SetAttributesCall = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 314,
        Architecture.Arm64 => 274,
        _ => null
    };

    /// <summary>
    /// Raises this thread's niceness: others go first; each step takes about a fifth of its share. A thread that ranks
    /// lower already stays where it is.
    /// </summary>
    /// <remarks>
    /// Also lengthens its time slices: from Linux 6.12 on, a waking thread with shorter slices preempts it at once
    /// instead of waiting for the end of the slice, up to the next clock tick. Only on Linux; a hint, which may fail.
    /// </remarks>
    public static void Lower(int niceness)
    {
        if (!OperatingSystem.IsLinux() || GetScheduler(ThisThread) != NormalPolicy)
            return;
        niceness = Math.Max(niceness, GetPriority(which: 0, ThisThread));
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

    /// <summary>Ranks this thread; threads and processes it starts inherit that.</summary>
    /// <remarks>
    /// Idle is Linux's SCHED_IDLE, low its highest niceness but a few. Does nothing elsewhere; a hint, which may fail.
    /// </remarks>
    public static void LowerTo(ProcessRank rank)
    {
        if (rank == ProcessRank.Idle)
            LowerToIdle();
        else if (rank == ProcessRank.Low)
            Lower(Background);
    }

    /// <summary>
    /// Runs only while nobody else wants the processor; threads and processes it starts inherit that.
    /// </summary>
    /// <remarks>
    /// Linux's SCHED_IDLE: any thread that wakes up gets the processor at once, which the highest niceness does not
    /// promise. Does nothing elsewhere; a hint, which may fail.
    /// </remarks>
    public static void LowerToIdle()
    {
        var priority = 0;
        if (OperatingSystem.IsLinux())
            _ = SetScheduler(ThisThread, IdlePolicy, ref priority);
    }

    /// <summary>Keeps this thread, and processes it starts, to the last of the processors it may run on.</summary>
    /// <remarks>
    /// The runtime gives new threads of this process all processors again.
    /// A processor that is always busy at the lowest priority does not look for threads that wait on the others; an
    /// idle one does, and takes them over. Only on Linux; a hint, which may fail.
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

    [LibraryImport("libc", EntryPoint = "sched_getscheduler")]
    private static partial int GetScheduler(int process);

    [LibraryImport("libc", EntryPoint = "getpriority")]
    private static partial int GetPriority(int which, int who);

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
