using System.Diagnostics.CodeAnalysis;
using Serving.Inference.Scheduling;
using Serving.Jobs.Records;

namespace Serving.Jobs;

/// <summary>Which jobs may run at the same time.</summary>
/// <remarks>
/// On the processor, and on a device without a memory budget, one after another; on a device with one, as many as have
/// room. Of each device's jobs the one that waits longest is next: smaller ones do not overtake it. Not thread-safe.
/// </remarks>
public sealed class JobSlots(MemoryBudgets memory)
{
    private readonly HashSet<MemoryBudget> _taken = [];

    /// <summary>Takes a slot; the job gives it back by disposing it.</summary>
    internal bool TryTake(Placement placement, [NotNullWhen(true)] out JobSlot? slot)
    {
        var budget = memory.Of(placement.Device);
        slot = null;
        if (WhyNever(placement, budget) is { } reason)
            slot = new(static () => { }, reason);
        else if (placement.Device == Placement.Processor || budget.Bytes is null)
        {
            if (_taken.Add(budget))
                slot = new(() => _taken.Remove(budget));
        }
        else if (budget.TryReserve(placement.DeviceMemoryBytes, out var promise))
        {
            slot = new(promise.Dispose);
        }

        return slot is not null;
    }

    /// <summary>Why a job can't run on its device, whatever else does; null if it can.</summary>
    public static string? WhyNever(Placement placement, MemoryBudget budget) =>
        placement.Device != Placement.Processor && placement.DeviceMemoryBytes > budget.Bytes
            ? FormattableString.Invariant($"The job needs {placement.DeviceMemoryBytes} bytes of {placement.Device}; ")
                + FormattableString.Invariant($"{budget.Bytes} are allowed (Server:DeviceMemoryBytes). ")
                + "Allow more, or state less if it needs less."
            : null;

    /// <summary>A round of looks at the jobs that wait, the one that waits longest first.</summary>
    internal Round NewRound() => new(this);

    /// <summary>See <see cref="NewRound"/>.</summary>
    internal sealed class Round(JobSlots slots) : IDisposable
    {
        private readonly HashSet<string> _full = new(StringComparer.Ordinal);
        private readonly Dictionary<string, JobSlot> _offered = new(StringComparer.Ordinal);

        /// <summary>Whether a job may start now; it has its slot then.</summary>
        public bool MayStart(JobRecord job)
        {
            var placement = job.ReadPlacement();
            if (_full.Contains(placement.Device))
                return false;
            if (slots.TryTake(placement, out var slot))
                return _offered.TryAdd(job.Id, slot);
            _full.Add(placement.Device);
            return false;
        }

        /// <summary>The slot of the job that starts.</summary>
        public JobSlot Take(string job)
        {
            _offered.Remove(job, out var slot);
            return slot!;
        }

        /// <summary>Gives back the slots of jobs that could not start.</summary>
        public void Dispose()
        {
            foreach (var slot in _offered.Values)
                slot.Free();
        }
    }
}

/// <summary>The room that a job has on its device.</summary>
/// <param name="refusal">Why the job can't run; null if it can.</param>
internal sealed class JobSlot(Action free, string? refusal = null)
{
    public string? Refusal => refusal;

    public void Free() => free();
}
