using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Serving.Bench;

/// <summary>How fast threads read memory: what limits a step of one token.</summary>
internal static unsafe class MemoryBandwidth
{
    private const int Runs = 9;
    private static long _sink;

    /// <summary>The best of some runs, in 10^9 bytes a second.</summary>
    /// <param name="bytes">What is read: as much as a step reads of weights.</param>
    public static double Measure(long bytes, int threads)
    {
        var part = (nuint)(bytes / threads / 256 * 256);
        var memory = (byte*)NativeMemory.AlignedAlloc(part * (nuint)threads, 64);
        try
        {
            NativeMemory.Fill(memory, part * (nuint)threads, 1);
            var best = Enumerable.Range(0, Runs).Max(_ => Read(memory, part, threads));
            return best / 1e9;
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    /// <returns>Bytes a second.</returns>
    private static double Read(byte* memory, nuint part, int threads)
    {
        var start = Stopwatch.GetTimestamp();
        var others = Enumerable.Range(1, threads - 1).Select(i =>
        {
            var thread = new Thread(() => Sum(memory + (part * (nuint)i), part));
            thread.Start();
            return thread;
        }).ToList();
        Sum(memory, part);
        others.ForEach(thread => thread.Join());
        return part * (double)threads / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Sum(byte* memory, nuint bytes)
    {
        Vector256<long> a = default, b = default, c = default, d = default;
        for (var end = memory + bytes; memory < end; memory += 128)
        {
            a += Vector256.Load((long*)memory);
            b += Vector256.Load((long*)(memory + 32));
            c += Vector256.Load((long*)(memory + 64));
            d += Vector256.Load((long*)(memory + 96));
        }

        Volatile.Write(ref _sink, Vector256.Sum(a + b + c + d)); // Keeps the loop from being optimized away.
    }
}
