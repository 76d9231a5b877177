using System.Diagnostics.CodeAnalysis;
using Serving.Tensors;

namespace Serving.Inference.Scheduling;

/// <summary>
/// How much of a device's memory may be used, and how much is promised: to models while they load, to jobs while they
/// run. Thread-safe.
/// </summary>
/// <remarks>
/// What this process has allocated counts as it is; of what it has not, promises count. A model counts twice while it
/// loads: as what it has allocated and as what it was promised.
/// </remarks>
/// <param name="device">Its name, for people.</param>
/// <param name="bytes">All that may be used; null for no limit.</param>
/// <param name="freed">Called when there may be more room.</param>
public sealed class MemoryBudget(string device, long? bytes, Action? freed = null)
{
    private readonly Lock _gate = new();
    private Func<long> _allocated = static () => 0;
    private long _promised;

    public string Device => device;

    public long? Bytes => bytes;

    /// <summary>Bytes that are promised.</summary>
    public long Promised => Interlocked.Read(ref _promised);

    /// <summary>Counts what this process allocates there, from now on.</summary>
    public void Count(Func<long> allocated) => Volatile.Write(ref _allocated, allocated);

    /// <summary>Notes that this process has freed memory there.</summary>
    public void NoteFreed() => freed?.Invoke();

    /// <summary>Promises memory, if there is room.</summary>
    /// <param name="promise">Ends when it is disposed.</param>
    public bool TryReserve(long wanted, [NotNullWhen(true)] out IDisposable? promise)
    {
        lock (_gate)
        {
            var used = Volatile.Read(ref _allocated)() + _promised;
            if (bytes is { } most && used + wanted > most)
            {
                promise = null;
                return false;
            }

            _promised += wanted;
        }

        promise = new Promise(this, wanted);
        return true;
    }

    /// <summary>The same for what can't wait.</summary>
    /// <param name="what">That it is for: "The model 'base'".</param>
    /// <exception cref="DeviceMemoryException">There is no room; nothing has changed.</exception>
    public IDisposable Reserve(string what, long wanted) => TryReserve(wanted, out var promise)
        ? promise
        : throw new DeviceMemoryException(
            FormattableString.Invariant($"{what} needs about {wanted} bytes of {device}; of {bytes} ")
            + FormattableString.Invariant($"(Server:DeviceMemoryBytes) {Volatile.Read(ref _allocated)()} are in use ")
            + FormattableString.Invariant($"and {Promised} promised to jobs and other loads. ")
            + "Unload something, wait for a job to end, or allow more.");

    private void End(long wanted)
    {
        lock (_gate)
            _promised -= wanted;
        NoteFreed();
    }

    private sealed class Promise(MemoryBudget budget, long wanted) : IDisposable
    {
        private MemoryBudget? _budget = budget;

        public void Dispose() => Interlocked.Exchange(ref _budget, null)?.End(wanted);
    }
}
