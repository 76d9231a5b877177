using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Hints to the processor's caches; they change nothing but time.</summary>
internal static unsafe class Cache
{
    public const int LineBytes = 64;

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
}
