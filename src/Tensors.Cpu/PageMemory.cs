using System.Runtime.InteropServices;

namespace Serving.Tensors.Cpu;

/// <summary>Memory directly from the operating system; freed memory goes back to it at once.</summary>
/// <remarks>
/// The C library's allocator would keep freed blocks of these sizes. Where there is no mmap, its aligned blocks are
/// used instead.
/// </remarks>
internal static unsafe partial class PageMemory
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;
    private const int Populate = 0x8000;
    private const int AdviseHugePages = 14;
    private const nuint CacheLine = 64;

    /// <summary>Zeroed memory, aligned to a cache line or better.</summary>
    /// <param name="hugePages">
    /// Asks for pages of 2 MiB: fewer address lookups for memory that a product streams through. Small pages are mapped
    /// all at once instead, which is faster than one by one on first access.
    /// </param>
    public static void* Allocate(nuint bytes, bool hugePages)
    {
        if (!OperatingSystem.IsLinux())
        {
            var block = NativeMemory.AlignedAlloc(bytes, CacheLine);
            NativeMemory.Clear(block, bytes);
            return block;
        }

        var pages = Map(null, bytes, ReadWrite, hugePages ? PrivateAnonymous : PrivateAnonymous | Populate, -1, 0);
        if ((nint)pages == -1)
        {
            throw new DeviceMemoryException(
                $"The system has no {bytes} bytes left for tensors; unload something or use smaller batches.");
        }

        if (hugePages)
            _ = Advise(pages, bytes, AdviseHugePages); // A hint; without it the memory is only slower.
        return pages;
    }

    public static void Free(void* memory, nuint bytes)
    {
        if (OperatingSystem.IsLinux())
            _ = Unmap(memory, bytes);
        else
            NativeMemory.AlignedFree(memory);
    }

    /// <summary>Returns freed blocks of the C library's allocator to the system, the runtime's included.</summary>
    public static void Trim()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = TrimHeap(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Not glibc; other C libraries keep little.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimHeap(nint keptBytes);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
