using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Tensors;

namespace Serving.Inference.Classification;

/// <summary>Loads, activates and unloads task versions, each by replacing the snapshot that requests read.</summary>
internal sealed class ResidentVersions(TensorBackend backend, BertEncoder encoder) : IDisposable
{
    private readonly Lock _changes = new();
    private ResidentSnapshot _snapshot = ResidentSnapshot.Empty;

    public ResidentSnapshot Snapshot => Volatile.Read(ref _snapshot);

    /// <summary>Copies a version into memory; requests go on meanwhile.</summary>
    /// <returns>The version.</returns>
    /// <exception cref="ModelFileException">It is not for this encoder.</exception>
    public string Load(string name, VersionFiles pack)
    {
        if (Snapshot.Loaded.ContainsKey((name, pack.Version)))
            return pack.Version;
        var task = new ResidentVersion(name, LoadedVersion.Load(backend, encoder, pack));
        lock (_changes)
        {
            if (_snapshot.Loaded.ContainsKey((name, pack.Version)))
                task.Release(); // Another thread was faster.
            else
                Replace(_snapshot with { Loaded = _snapshot.Loaded.Add((name, pack.Version), task) });
        }

        return pack.Version;
    }

    /// <summary>Makes a loaded version the one that requests without a version get.</summary>
    /// <exception cref="NotResidentException">It is not loaded.</exception>
    public void Activate(string name, string version)
    {
        lock (_changes)
        {
            _snapshot.Find(new(name, version));
            Replace(_snapshot with { Active = _snapshot.Active.SetItem(name, version) });
        }
    }

    /// <summary>Lets a version go; admitted requests still finish with it.</summary>
    /// <returns>The bytes freed, once they are.</returns>
    /// <exception cref="NotResidentException">It is not loaded.</exception>
    public async Task<long> UnloadAsync(string name, string version)
    {
        ResidentVersion task;
        lock (_changes)
        {
            task = _snapshot.Find(new(name, version));
            var active = _snapshot.Active.GetValueOrDefault(name) == version
                ? _snapshot.Active.Remove(name)
                : _snapshot.Active;
            Replace(new(_snapshot.Loaded.Remove((name, version)), active));
        }

        task.Release();
        await task.Freed;
        return task.Bytes;
    }

    /// <summary>Finds a request's tasks and keeps them from being freed until they are released.</summary>
    /// <exception cref="NotResidentException">One is not loaded; none is kept.</exception>
    public ResidentVersion[] Use(IReadOnlyList<TaskReference> references)
    {
        var tasks = new ResidentVersion[references.Count];
        var used = 0;
        try
        {
            for (; used < tasks.Length; used++)
            {
                do
                    tasks[used] = Snapshot.Find(references[used]);
                while (!tasks[used].TryUse()); // It was unloaded in between; the next snapshot lacks it.
            }

            return tasks;
        }
        catch
        {
            foreach (var task in tasks.AsSpan(0, used))
                task.Release();
            throw;
        }
    }

    public IReadOnlyList<VersionMemory> Memory()
    {
        var snapshot = Snapshot;
        return
        [
            .. snapshot.Loaded.Values.Select(task => new VersionMemory(
                task.Name,
                task.Task.Version,
                snapshot.Active.GetValueOrDefault(task.Name) == task.Task.Version,
                task.Bytes))
        ];
    }

    public void Dispose()
    {
        lock (_changes)
        {
            foreach (var task in _snapshot.Loaded.Values)
                task.Release();
            Replace(ResidentSnapshot.Empty);
        }
    }

    private void Replace(ResidentSnapshot snapshot) => Volatile.Write(ref _snapshot, snapshot);
}
