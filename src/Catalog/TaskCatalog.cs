using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Storage;
using Serving.Tensors;

namespace Serving.Catalog;

/// <summary>What is stored, what is in memory and which version each alias means. Changes come one at a time.</summary>
/// <remarks>
/// A change is made durable first and then published by replacing the table that requests read. A version that an alias
/// uses is in memory before the alias points at it, and stays there while it does.
/// </remarks>
public sealed class TaskCatalog(
    ITaskRepository repository,
    IBlobStore blobs,
    ModelStore models,
    ModelHostOptions options,
    ModelDevices devices,
    TimeProvider time,
    ILogger<TaskCatalog> logger) : IDisposable
{
    private const int MostAttempts = 5;

    private readonly SemaphoreSlim _changes = new(1);
    private readonly VersionLoader _versions = new(blobs);
    private RoutingTable _table = new(StoredTasks.None, ResidentModels.None, models);
    private Action<RoutingTable> _published = static _ => { };

    /// <summary>The present state.</summary>
    public RoutingTable Table => Volatile.Read(ref _table);

    /// <summary>Tells a watcher each new table, in their order, before the change that made it returns.</summary>
    public void Watch(Action<RoutingTable> published) => _published += published;

    /// <summary>Reads what is on disk, loads models and then the versions that aliases use.</summary>
    /// <exception cref="ModelFileException">A model that must be loaded can't be.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => ChangeAsync(
        async () =>
        {
            blobs.CleanUp();
            Publish(_table with { Desired = await ReadAsync() });
            foreach (var name in models.NamesToLoad())
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (models.MustLoad)
                    await LoadHostAsync(name);
                else
                    await TryLoadHostAsync(name);
            }

            return true;
        });

    /// <summary>Reads model and task folders again: what came is taken up, what went is let go.</summary>
    public Task RescanAsync() => ChangeAsync(
        async () =>
        {
            var before = _table;
            var tasks = (await ReadAsync()).ByName;
            foreach (var name in models.NamesToLoad().Where(
                name => !before.Models.ContainsKey(name) && models.IsNew(name)))
                await TryLoadHostAsync(name);
            var loaded = tasks.ToBuilder();
            foreach (var task in tasks.Values)
            {
                var served = before.Tasks.GetValueOrDefault(task.Name);
                if (task.Problem is not null)
                    loaded[task.Name] = served is null ? task : served with { Problem = task.Problem };
                else if (await _versions.TryLoadAliasedAsync(_table.Resident, task) is { } problem)
                {
                    logger.LogError("The task {Task} stays as it was: {Problem}", task.Name, problem);
                    loaded[task.Name] = served ?? task with { Aliases = TaskAliases.None };
                }
            }

            Publish(_table with { Desired = new(loaded.ToImmutable()) });
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
                throw DomainException.FailedPrecondition($"models/{name}", exception.Message);
            }
        });

    /// <summary>Changes the folder of a model that is not loaded, nor is while it changes.</summary>
    /// <exception cref="DomainException">It is loaded.</exception>
    public Task ChangeFolderAsync(string name, Action change) => ChangeAsync(() =>
    {
        _table.ThrowIfLoaded(name, "replaced");
        change();
        return Task.FromResult(true);
    });

    /// <summary>Deletes the files of a model that is not loaded.</summary>
    /// <param name="force">Also if versions of tasks are for it; they stay, and need it back to be served.</param>
    /// <returns>The bytes that are free again.</returns>
    /// <exception cref="DomainException">There is none, it is loaded, or versions of tasks are for it.</exception>
    public Task<long> DeleteModelAsync(string name, bool force) => ChangeAsync(() =>
    {
        models.Require(name);
        _table.ThrowIfLoaded(name, "deleted");
        if (!force && models.FindDigest(name) is { } digest)
            _table.ThrowIfMeant(name, digest.Weights);
        return Task.FromResult(models.Delete(name));
    });

    /// <returns>The bytes freed, once they are.</returns>
    public async Task<long> UnloadModelAsync(string name, bool force)
    {
        var host = await ChangeAsync(() =>
        {
            if (!_table.Models.TryGetValue(name, out var loaded))
            {
                models.Require(name);
                throw DomainException.FailedPrecondition(
                    $"models/{name}", $"The model '{name}' is not loaded", "nothing is to be freed");
            }

            if (!force)
                _table.ThrowIfUsed(loaded);
            Publish(_table with { Resident = _table.Resident.Remove(name) });
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
        VersionUpload upload, string version, string? alias, string? firstAlias) => ChangeAsync(
        async () =>
        {
            var isFirst = IsFirst(upload.Task, version);
            _table.ThrowIfBroken(upload.Task);
            var isNew = await blobs.CommitAsync(upload.Draft, ITaskRepository.Key(upload.Task, version));
            var stored = await repository.AddVersionAsync(upload.Task, version);
            var task = _table.Tasks.GetValueOrDefault(upload.Task) ?? StoredTask.Empty(upload.Task);
            Replace(task with { Versions = task.Versions.SetItem(version, stored) });
            alias ??= isFirst && _table.FindHost(stored) is not null ? firstAlias : null;
            if (alias is null)
                return isNew;
            try
            {
                await PointAsync(
                    upload.Task,
                    alias,
                    target => target?.Promote(version) ?? AliasTarget.To(version),
                    isNew ? upload.Digests : null);
            }
            catch (Exception exception) when (isNew && DiskFailure.Is(exception))
            {
                if (await TryForgetAsync(upload.Task, stored))
                    throw; // Whoever imports it is told that nothing came of it.
                throw DomainException.FailedPrecondition(
                    $"tasks/{upload.Task}",
                    $"Version {version} of the task '{upload.Task}' is stored, but the disk refused to point the alias "
                    + $"'{alias}' at it, and to delete it",
                    remedy: "mend the disk, of which the server's log tells, then import it again",
                    innerException: exception);
            }

            return isNew;
        });

    /// <summary>Whether a version is, or would be, a task's only one, to which no alias points yet.</summary>
    /// <remarks>Also if it is stored: an import that was cut off before its alias moved is repeated.</remarks>
    public bool IsFirst(string task, string version) =>
        _table.Tasks.GetValueOrDefault(task) is not { } known
        || (known.Aliases.Aliases.IsEmpty && known.Versions.Keys.All(other => other == version));

    /// <summary>The folder of a version's files on this machine.</summary>
    /// <exception cref="DomainException">It is not there.</exception>
    public Task<string> FolderAsync(string task, string version) => _versions.FolderAsync(task, version);

    /// <summary>Changes what an alias points at.</summary>
    /// <param name="change">
    /// From what it is now, null if it does not exist, to what it shall be, null to remove it.
    /// </param>
    public Task SetAliasAsync(string task, string alias, Func<AliasTarget?, AliasTarget?> change) => ChangeAsync(
        async () =>
        {
            _table.Desired.Task(task);
            _table.ThrowIfBroken(task);
            await PointAsync(task, alias, change);
            return true;
        });

    /// <returns>The bytes that the version takes in memory.</returns>
    public Task<long> LoadTaskAsync(string task, string version) => ChangeAsync(
        async () =>
        {
            var stored = _table.Desired.Version(task, version);
            var host = _table.Host(task, stored);
            await _versions.LoadAsync(host, task, stored);
            return host.Engine.Memory.Tasks.Single(memory => memory.Task == task && memory.Version == version).Bytes;
        });

    /// <returns>The bytes freed, once they are.</returns>
    public async Task<long> UnloadTaskAsync(string task, string version)
    {
        // Only its beginning is a change; that the last request lets go of it may take a while.
        var freed = await ChangeAsync(() =>
        {
            var stored = _table.Desired.Version(task, version);
            _table.ThrowIfUsed(task, version, "unloaded");
            return Task.FromResult(BeginUnload(task, stored));
        });
        return await freed
            ?? throw DomainException.FailedPrecondition(
                $"tasks/{task}", $"Version {version} of the task '{task}' is not loaded");
    }

    /// <returns>The bytes that its files took.</returns>
    public async Task<long> DeleteVersionAsync(string task, string version)
    {
        var (freed, fileBytes) = await ChangeAsync(async () =>
        {
            var stored = _table.Desired.Version(task, version);
            _table.ThrowIfUsed(task, version, "deleted");
            return (await ForgetAsync(task, stored), stored.FileBytes);
        });
        await freed;
        return fileBytes;
    }

    public void Dispose()
    {
        var table = _table;
        Volatile.Write(ref _table, table with { Desired = StoredTasks.None, Resident = ResidentModels.None });
        foreach (var host in table.Models.Values)
            host.Dispose();
        _changes.Dispose();
    }

    /// <returns>What the version took in memory, once it is freed; null if it was not loaded.</returns>
    private async Task<Task<long?>> ForgetAsync(string task, StoredVersion stored)
    {
        await repository.RemoveVersionAsync(task, stored.Version);
        var left = _table.Tasks[task] with { Versions = _table.Tasks[task].Versions.Remove(stored.Version) };
        if (left.Versions.Count == 0)
            Publish(_table with { Desired = new(_table.Tasks.Remove(task)) });
        else
            Replace(left);
        var unloading = BeginUnload(task, stored);
        await blobs.DeleteAsync(ITaskRepository.Key(task, stored.Version));
        return unloading;
    }

    private async Task<bool> TryForgetAsync(string task, StoredVersion stored)
    {
        try
        {
            await ForgetAsync(task, stored);
            return true;
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            logger.LogError(
                "Version {Version} of the task {Task} stays: {Problem}", stored.Version, task, exception.Message);
            return false;
        }
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
        _published(table);
    }

    private void Replace(StoredTask task) =>
        Publish(_table with { Desired = new(_table.Tasks.SetItem(task.Name, task)) });

    private async Task<StoredTasks> ReadAsync() => new(
        (await repository.ReadAsync(_table.Tasks)).ToImmutableSortedDictionary(
            task => task.Name, task => task, StringComparer.Ordinal));

    /// <summary>Changes an alias; where somebody else changed the task's aliases meanwhile, on top of that.</summary>
    /// <param name="digests">See <see cref="VersionFiles.Open"/>.</param>
    private async Task PointAsync(
        string task, string alias, Func<AliasTarget?, AliasTarget?> change,
        IReadOnlyDictionary<string, string>? digests = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await TryPointAsync(task, alias, change, digests);
                return;
            }
            catch (DomainException exception) when (exception.Kind == ErrorKind.Conflict && attempt < MostAttempts)
            {
                var known = _table.Tasks.GetValueOrDefault(task);
                var read = await repository.ReadAsync(task, known);
                if (read.Problem is null && read.Aliases.Revision == known?.Aliases.Revision)
                    throw; // They are as they were: it is the change that does not fit.
                _ = await _versions.TryLoadAliasedAsync(_table.Resident, read);
                Replace(read);
                _table.ThrowIfBroken(task);
            }
        }
    }

    private async Task TryPointAsync(
        string task, string alias, Func<AliasTarget?, AliasTarget?> change,
        IReadOnlyDictionary<string, string>? digests)
    {
        var stored = _table.Desired.Task(task);
        var before = stored.Aliases.Aliases.GetValueOrDefault(alias);
        var after = change(before);
        if (after == before)
            return;
        foreach (var version in after?.Versions ?? [])
        {
            var target = _table.Desired.Version(task, version);
            await _versions.LoadAsync(_table.Host(task, target), task, target, digests);
        }

        var aliases = await repository.ReplaceAliasesAsync(task, stored.Aliases with
        {
            Aliases = after is null
                ? stored.Aliases.Aliases.Remove(alias)
                : stored.Aliases.Aliases.SetItem(alias, after)
        });
        Replace(stored with { Aliases = aliases });
    }

    private async Task<ModelHost> LoadHostAsync(string name)
    {
        var look = models.Look(name);
        var host = ModelHost.Load(name, models.Folder(name), devices.Of(name), options, time);
        try
        {
            if (_table.Resident.FindByDigest(host.Digest) is { } same)
            {
                throw new ModelFileException(
                    $"The model '{name}' has the same parameters, configuration and tokenizer as '{same.Name}', which "
                    + "is loaded; unload that one first.");
            }

            var isMeantByWeights = models.IsMeantByWeights(host.Backbone);
            var table = _table with { Resident = _table.Resident.Add(host, isMeantByWeights) };
            if (host is EncoderHost encoder)
                await LoadVersionsAsync(table, encoder);

            models.NoteProblem(name, problem: "");
            models.NoteDigest(name, look, host.Backbone);
            Publish(table);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    /// <summary>Loads the versions that aliases use on a model.</summary>
    private async Task LoadVersionsAsync(RoutingTable table, EncoderHost host)
    {
        foreach (var task in table.Tasks.Values)
        {
            LogChanged(table, task, host);
            if (await _versions.TryLoadAliasedAsync(table.Resident, task, host) is { } problem)
                logger.LogError("A version of the task {Task} can't be served: {Problem}", task.Name, problem);
        }
    }

    /// <summary>Versions with the weights of a model that has changed since can't be served.</summary>
    private void LogChanged(RoutingTable table, StoredTask task, EncoderHost host)
    {
        var changed = task.UsedVersions
            .Select(version => task.Versions.GetValueOrDefault(version)?.Manifest)
            .FirstOrDefault(manifest => manifest is not null && manifest.HasWeights(host.Backbone.Weights)
                && table.Resident.FindFor(manifest) is null);
        if (changed is not null)
        {
            logger.LogError(
                "A version of the task {Task} can't be served: of the model {Model} {Change}.",
                task.Name, host.Name, models.WhyNot(changed, host.Backbone));
        }
    }

    private async Task TryLoadHostAsync(string name)
    {
        try
        {
            await LoadHostAsync(name);
        }
        catch (Exception exception)
            when (exception is ModelFileException or DeviceMemoryException || DiskFailure.Is(exception))
        {
            logger.LogError("The model {Model} is left out: {Problem}", name, exception.Message);
            models.NoteProblem(name, exception.Message);
        }
    }

    private IEnumerable<(EncoderHost Host, string Task, string Version)> Resident() =>
        _table.Models.Values.OfType<EncoderHost>().SelectMany(host =>
        host.Engine.Memory.Tasks.Select(memory => (host, memory.Task, memory.Version)));

    /// <summary>From its return on no new request uses the version.</summary>
    /// <returns>The bytes freed, once they are; null if it is not loaded.</returns>
    private async Task<long?> BeginUnload(string task, StoredVersion version) =>
        _table.FindHost(version) is { } host && host.Engine.IsLoaded(task, version.Version)
            ? await host.Engine.UnloadTaskAsync(task, version.Version)
            : null;
}
