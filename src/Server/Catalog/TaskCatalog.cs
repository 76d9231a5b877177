using System.Collections.Immutable;
using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Server.Storage;

namespace Serving.Server.Catalog;

/// <summary>What is stored, what is in memory and which version each alias means. Changes come one at a time.</summary>
/// <remarks>
/// A change is made durable first and then published by replacing the table that requests read. A version that an alias
/// uses is in memory before the alias points at it, and stays there while it does.
/// </remarks>
internal sealed class TaskCatalog(
    TaskStore store,
    ModelStore models,
    ServerOptions options,
    LanePool lanes,
    Readiness readiness,
    TimeProvider time,
    ILogger<TaskCatalog> logger) : IDisposable
{
    private readonly SemaphoreSlim _changes = new(1);
    private RoutingTable _table = RoutingTable.Empty;

    /// <summary>The present state.</summary>
    public RoutingTable Table => Volatile.Read(ref _table);

    /// <summary>Reads what is on disk, loads models and then the versions that aliases use.</summary>
    /// <exception cref="ModelFileException">A model that must be loaded can't be.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            store.CleanUp();
            Publish(_table with { Tasks = store.Scan() });
            foreach (var name in models.NamesToLoad())
            {
                cancellationToken.ThrowIfCancellationRequested();
                try
                {
                    await LoadHostAsync(name);
                }
                catch (ModelFileException exception) when (!models.MustLoad)
                {
                    logger.LogError("The model {Model} is left out: {Problem}", name, exception.Message);
                    models.NoteProblem(name, exception.Message);
                }
            }

            return true;
        });

    /// <summary>Reads model and task folders again: what came is taken up, what went is let go.</summary>
    public Task RescanAsync() => ChangeAsync(
        async () =>
        {
            var before = _table;
            var tasks = store.Scan(before.Tasks);
            foreach (var name in models.NamesToLoad().Where(
                name => !before.Models.ContainsKey(name) && models.IsNew(name)))
                await TryLoadHostAsync(name);
            var loaded = tasks.ToBuilder();
            foreach (var task in tasks.Values)
            {
                var served = before.Tasks.GetValueOrDefault(task.Name);
                if (task.Problem is not null)
                    loaded[task.Name] = served is null ? task : served with { Problem = task.Problem };
                else if (await TryLoadAliasedAsync(_table with { Tasks = tasks }, task) is { } problem)
                {
                    logger.LogError("The task {Task} stays as it was: {Problem}", task.Name, problem);
                    loaded[task.Name] = served ?? task with { Aliases = TaskAliases.None };
                }
            }

            Publish(_table with { Tasks = loaded.ToImmutable() });
            foreach (var (host, name, version) in Resident().Where(resident =>
                _table.Tasks.GetValueOrDefault(resident.Task)?.Versions.ContainsKey(resident.Version) != true).ToList())
                await host.Engine.UnloadTaskAsync(name, version);
            return true;
        });

    /// <summary>Loads a model, warms it up, and loads the versions that aliases use on it.</summary>
    public Task<ModelHost> LoadModelAsync(string name) => ChangeAsync(
        async () =>
        {
            if (_table.Models.TryGetValue(name, out var loaded))
                return loaded;
            models.Require(name);
            try
            {
                return await LoadHostAsync(name);
            }
            catch (ModelFileException exception)
            {
                models.NoteProblem(name, exception.Message);
                throw Errors.FailedPrecondition($"models/{name}", exception.Message);
            }
        });

    /// <returns>The bytes freed, once they are.</returns>
    public async Task<long> UnloadModelAsync(string name, bool force)
    {
        var host = await ChangeAsync(() =>
        {
            if (!_table.Models.TryGetValue(name, out var loaded))
            {
                models.Require(name);
                throw Errors.FailedPrecondition(
                    $"models/{name}", $"The model '{name}' is not loaded; nothing is to be freed.");
            }

            var users = _table.Tasks.Values
                .Where(task => RoutingTable.UsedVersions(task).Any(version =>
                    task.Versions.TryGetValue(version, out var stored) && _table.FindHost(stored) == loaded))
                .Select(task => task.Name)
                .ToList();
            if (users.Count > 0 && !force)
            {
                throw Errors.FailedPrecondition(
                    $"models/{name}",
                    $"Aliases of {users.Count} tasks use the model '{name}' ({string.Join(", ", users.Take(5))}); "
                    + "remove them, or "
                    + "unload it by force.");
            }

            Publish(_table with { Models = _table.Models.Remove(name) });
            return Task.FromResult(loaded);
        });
        return await host.UnloadAsync();
    }

    /// <summary>Takes up a version that was uploaded and checked.</summary>
    /// <param name="alias">An alias to point at it; null for none.</param>
    /// <param name="firstAlias">
    /// An alias to point at it, if there is no other, it is the task's first version and its model is loaded; null for
    /// none.
    /// </param>
    /// <returns>Whether it is new.</returns>
    public Task<bool> CommitAsync(
        TaskUpload upload, string version, string? alias, string? firstAlias) => ChangeAsync(
        async () =>
        {
            var isFirst = IsFirst(upload.Task, version);
            ThrowIfBroken(upload.Task);
            var (stored, isNew) = store.Commit(upload, version);
            var task = _table.Tasks.GetValueOrDefault(upload.Task) ?? StoredTask.Empty(upload.Task);
            Publish(_table with
            {
                Tasks = _table.Tasks.SetItem(task.Name, task with { Versions = task.Versions.SetItem(version, stored) })
            });
            alias ??= isFirst && _table.FindHost(stored) is not null ? firstAlias : null;
            if (alias is not null)
                await PointAsync(upload.Task, alias, target => target?.Promote(version) ?? AliasTarget.To(version));
            return isNew;
        });

    /// <summary>Whether a version is, or would be, a task's only one, to which no alias points yet.</summary>
    /// <remarks>Also if it is stored: an import that was cut off before its alias moved is repeated.</remarks>
    public bool IsFirst(string task, string version) =>
        _table.Tasks.GetValueOrDefault(task) is not { } known
        || (known.Aliases.Aliases.IsEmpty && known.Versions.Keys.All(other => other == version));

    /// <summary>Changes what an alias points at.</summary>
    /// <param name="change">
    /// From what it is now, null if it does not exist, to what it shall be, null to remove it.
    /// </param>
    public Task SetAliasAsync(string task, string alias, Func<AliasTarget?, AliasTarget?> change) => ChangeAsync(
        async () =>
        {
            _table.Task(task);
            ThrowIfBroken(task);
            await PointAsync(task, alias, change);
            return true;
        });

    /// <returns>The bytes that the version takes in memory.</returns>
    public Task<long> LoadTaskAsync(string task, string version) => ChangeAsync(
        async () =>
        {
            var stored = _table.Version(task, version);
            var host = _table.Host(task, stored);
            await LoadVersionAsync(host, task, stored);
            return host.Engine.Memory.Tasks.Single(memory => memory.Task == task && memory.Version == version).Bytes;
        });

    /// <returns>The bytes freed, once they are.</returns>
    public async Task<long> UnloadTaskAsync(string task, string version)
    {
        // Only its beginning is a change; that the last request lets go of it may take a while.
        var freed = await ChangeAsync(() =>
        {
            var stored = _table.Version(task, version);
            ThrowIfUsed(task, version, "unloaded");
            return Task.FromResult(BeginUnload(task, stored));
        });
        return await freed
            ?? throw Errors.FailedPrecondition(
                $"tasks/{task}", $"Version {version} of the task '{task}' is not loaded.");
    }

    /// <returns>The bytes that its files took.</returns>
    public async Task<long> DeleteVersionAsync(string task, string version)
    {
        var (freed, fileBytes) = await ChangeAsync(() =>
        {
            var stored = _table.Version(task, version);
            ThrowIfUsed(task, version, "deleted");
            store.Delete(task, version);
            var left = _table.Tasks[task] with { Versions = _table.Tasks[task].Versions.Remove(version) };
            Publish(_table with
            {
                Tasks = left.Versions.Count == 0 ? _table.Tasks.Remove(task) : _table.Tasks.SetItem(task, left)
            });
            return Task.FromResult((BeginUnload(task, stored), stored.FileBytes));
        });
        await freed;
        return fileBytes;
    }

    public void Dispose()
    {
        var table = _table;
        Volatile.Write(ref _table, RoutingTable.Empty);
        foreach (var host in table.Models.Values)
            host.Dispose();
        _changes.Dispose();
    }

    private async Task<T> ChangeAsync<T>(Func<Task<T>> change)
    {
        await _changes.WaitAsync();
        try
        {
            return await Task.Run(change); // Disk and hashing, away from the caller's thread.
        }
        finally
        {
            _changes.Release();
        }
    }

    private void Publish(RoutingTable table)
    {
        Volatile.Write(ref _table, table);
        readiness.Note(table);
    }

    private async Task PointAsync(string task, string alias, Func<AliasTarget?, AliasTarget?> change)
    {
        var stored = _table.Task(task);
        var before = stored.Aliases.Aliases.GetValueOrDefault(alias);
        var after = change(before);
        if (after == before)
            return;
        foreach (var version in after?.Versions ?? [])
        {
            var target = _table.Version(task, version);
            await LoadVersionAsync(_table.Host(task, target), task, target);
        }

        var aliases = stored.Aliases with
        {
            Aliases = after is null
                ? stored.Aliases.Aliases.Remove(alias)
                : stored.Aliases.Aliases.SetItem(alias, after)
        };
        store.WriteAliases(task, aliases);
        Publish(_table with { Tasks = _table.Tasks.SetItem(task, stored with { Aliases = aliases }) });
    }

    private async Task<ModelHost> LoadHostAsync(string name)
    {
        var host = ModelHost.Load(name, models.Folder(name), lanes, options, time);
        try
        {
            if (_table.Models.Values.FirstOrDefault(other => other.Digest == host.Digest) is { } same)
            {
                throw new ModelFileException(
                    $"The model '{name}' has the same parameters as '{same.Name}', which is loaded; unload that one "
                    + "first.");
            }

            var table = _table with { Models = _table.Models.Add(name, host) };
            foreach (var task in table.Tasks.Values)
            {
                if (await TryLoadAliasedAsync(table, task, host) is { } problem)
                    logger.LogError("A version of the task {Task} can't be served: {Problem}", task.Name, problem);
            }

            models.NoteProblem(name, problem: "");
            Publish(table);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    private async Task TryLoadHostAsync(string name)
    {
        try
        {
            await LoadHostAsync(name);
        }
        catch (ModelFileException exception)
        {
            logger.LogError("The model {Model} is left out: {Problem}", name, exception.Message);
            models.NoteProblem(name, exception.Message);
        }
    }

    /// <summary>Loads the versions that a task's aliases use, as far as their models are loaded.</summary>
    /// <param name="only">Only versions for this model; null for all.</param>
    /// <returns>What is wrong; null if nothing is.</returns>
    private static async Task<string?> TryLoadAliasedAsync(RoutingTable table, StoredTask task, ModelHost? only = null)
    {
        foreach (var version in RoutingTable.UsedVersions(task))
        {
            if (!task.Versions.TryGetValue(version, out var stored))
            {
                if (only is null)
                    return $"its version {version} is missing.";
                continue;
            }

            if (table.FindHost(stored) is not { } host || (only is not null && host != only))
                continue;
            try
            {
                await host.Engine.LoadTaskAsync(task.Name, stored.Folder, version);
            }
            catch (ModelFileException exception)
            {
                return exception.Message;
            }
        }

        return null;
    }

    private static async Task LoadVersionAsync(ModelHost host, string task, StoredVersion version)
    {
        try
        {
            await host.Engine.LoadTaskAsync(task, version.Folder, version.Version);
        }
        catch (ModelFileException exception)
        {
            throw Errors.FailedPrecondition($"tasks/{task}", exception.Message);
        }
    }

    private IEnumerable<(ModelHost Host, string Task, string Version)> Resident() =>
        _table.Models.Values.SelectMany(host =>
        host.Engine.Memory.Tasks.Select(memory => (host, memory.Task, memory.Version)));

    /// <summary>From its return on no new request uses the version.</summary>
    /// <returns>The bytes freed, once they are; null if it is not loaded.</returns>
    private async Task<long?> BeginUnload(string task, StoredVersion version) =>
        _table.FindHost(version) is { } host && host.Engine.IsLoaded(task, version.Version)
            ? await host.Engine.UnloadTaskAsync(task, version.Version)
            : null;

    private void ThrowIfUsed(string task, string version, string verb)
    {
        var alias = _table.Tasks[task].Aliases.Aliases.FirstOrDefault(pair => pair.Value.Versions.Contains(version));
        if (alias.Key is not null)
        {
            throw Errors.FailedPrecondition(
                $"tasks/{task}",
                $"The alias '{alias.Key}' of the task '{task}' uses version {version}, so it can't be {verb}; point "
                + "the alias at "
                + "another version first.");
        }
    }

    private void ThrowIfBroken(string task)
    {
        if (_table.Tasks.GetValueOrDefault(task)?.Problem is { } problem)
            throw Errors.FailedPrecondition($"tasks/{task}", problem);
    }
}
