using System.Diagnostics;

namespace Serving.Bench;

/// <summary>The process's resident memory.</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes, garbage not counted.</summary>
    public static long Bytes()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        const string file = "/proc/self/status";
        if (!File.Exists(file))
            return Process.GetCurrentProcess().WorkingSet64;
        var line = File.ReadLines(file).First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }
}
