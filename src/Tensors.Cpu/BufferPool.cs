using System.Numerics;
using System.Runtime.InteropServices;

namespace Serving.Tensors.Cpu;

/// <summary>Hands out native buffers: small ones are reused, large ones come from the operating system.</summary>
/// <remarks>Thread-safe. A large buffer goes back to the system when it is returned.</remarks>
internal sealed unsafe class BufferPool : IDisposable
{
    private const nuint CacheLine = 64;
    private const nuint PageBytes = 4096;

    // From this size on a buffer is whole pages.
    private const nuint PagedBytes = 1 << 20;
    private const nuint HugePageBytes = 2 << 20;

    private readonly Lock _gate = new();
    private readonly Stack<nint>[] _free = new Stack<nint>[21]; // By the logarithm of the capacity, up to 1 MiB.
    private long _bytesInUse;
    private bool _isDisposed;

    /// <summary>Bytes of the buffers in use.</summary>
    public long BytesInUse => Interlocked.Read(ref _bytesInUse);

    /// <summary>A zeroed buffer of at least so many bytes.</summary>
    /// <param name="hugePages">Whether large buffers ask for 2 MiB pages.</param>
    public NativeBuffer Rent(long bytes, bool hugePages)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var wanted = nuint.Max((nuint)bytes, CacheLine);
        NativeBuffer buffer;
        if (wanted >= PagedBytes)
        {
            var capacity = (wanted + PageBytes - 1) / PageBytes * PageBytes;
            buffer = new(
                this, capacity, isPaged: true, PageMemory.Allocate(capacity, hugePages && capacity >= HugePageBytes));
        }
        else
        {
            var capacity = BitOperations.RoundUpToPowerOf2(wanted);
            buffer = new(this, capacity, isPaged: false, RentBlock(capacity));
        }

        Interlocked.Add(ref _bytesInUse, buffer.Bytes);
        return buffer;
    }

    /// <summary>Takes a buffer back; a second time is ignored.</summary>
    public void Return(NativeBuffer buffer)
    {
        lock (_gate)
        {
            if (buffer.Pointer == null)
                return;
            Interlocked.Add(ref _bytesInUse, -buffer.Bytes);
            if (buffer.IsPaged)
                PageMemory.Free(buffer.Pointer, buffer.Capacity);
            else if (_isDisposed)
                NativeMemory.AlignedFree(buffer.Pointer);
            else
                (_free[BitOperations.Log2(buffer.Capacity)] ??= new()).Push((nint)buffer.Pointer);
            buffer.Pointer = null;
        }
    }

    /// <summary>Frees the blocks that are not in use.</summary>
    public void Trim()
    {
        lock (_gate)
        {
            foreach (var blocks in _free)
            {
                while (blocks?.TryPop(out var block) == true)
                    NativeMemory.AlignedFree((void*)block);
            }
        }
    }

    /// <summary>Frees the blocks that are not in use; the others are freed when they are returned.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            Trim();
        }
    }

    private void* RentBlock(nuint capacity)
    {
        nint block = 0;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _free[BitOperations.Log2(capacity)]?.TryPop(out block);
        }

        var memory = block == 0 ? NativeMemory.AlignedAlloc(capacity, CacheLine) : (void*)block;
        NativeMemory.Clear(memory, capacity);
        return memory;
    }
}
