using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Hints to the processor's caches; they change nothing but time.</summary>
internal static unsafe class Cache
{
    public const int LineBytes = 64;

    /// <summary>The first address from this on at which a cache line begins.</summary>
    public static void* AlignUp(void* address) => (void*)(((nint)address + LineBytes - 1) & -LineBytes);

    /// <summary>Prefetches the cache line of an address, which may be any.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(void* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(address);
    }

    /// <summary>Prefetches some lines at once; for few.</summary>
    public static void Prefetch(void* address, int bytes)
    {
        for (var at = 0; at < bytes; at += LineBytes)
            Prefetch((byte*)address + at);
    }

    /// <summary>Prefetches some lines into the second-level cache, for what is not read at once.</summary>
    public static void PrefetchFar(void* address, int bytes)
    {
        if (!Sse.IsSupported)
            return;
        for (var at = 0; at < bytes; at += LineBytes)
            Sse.Prefetch1((byte*)address + at);
    }
}
