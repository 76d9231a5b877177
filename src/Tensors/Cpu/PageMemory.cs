using System.Runtime.InteropServices;

namespace Serving.Tensors.Cpu;

/// <summary>Memory straight from the operating system, so that freeing it returns it there at once.</summary>
/// <remarks>
/// The C library's allocator keeps freed blocks of these sizes for itself. Where there is no mmap, aligned blocks of the
/// C library serve instead.
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
    /// Asks for pages of 2 MiB: fewer address lookups for memory that a product streams through. Small pages come all at
    /// once instead, which is faster than one by one when each is first touched.
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

    /// <summary>Gives the system what the C library's allocator keeps of freed blocks, the runtime's own among them.</summary>
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
            // Another C library than glibc, which keeps nothing for long.
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
