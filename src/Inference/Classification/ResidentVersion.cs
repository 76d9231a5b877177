using Serving.Models.Versions;

namespace Serving.Inference.Classification;

/// <summary>A loaded task version. Its memory is freed once it is unloaded and no request uses it.</summary>
internal sealed class ResidentVersion(string name, LoadedVersion task)
{
    private static long _lastNumber;

    private readonly TaskCompletionSource _freed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Requests that use it, and one while it is loaded. At zero the memory is freed and nobody can begin to use it.
    private int _users = 1;

    public string Name { get; } = name;

    public LoadedVersion Task { get; } = task;

    /// <summary>Unique among loaded versions; batches are sorted by it.</summary>
    public long Number { get; } = Interlocked.Increment(ref _lastNumber);

    /// <summary>Bytes on the device; known also when they are freed.</summary>
    public long Bytes { get; } = task.Bytes;

    /// <summary>Completes when the memory is freed.</summary>
    public Task Freed => _freed.Task;

    /// <summary>Begins a use.</summary>
    /// <returns>False if the memory is gone already.</returns>
    public bool TryUse()
    {
        var users = Volatile.Read(ref _users);
        while (users != 0)
        {
            var seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
                return true;
            users = seen;
        }

        return false;
    }

    /// <summary>Ends a use.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) != 0)
            return;
        Task.Dispose();
        _freed.SetResult();
    }
}
