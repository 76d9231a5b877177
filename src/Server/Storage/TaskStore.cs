using System.Collections.Immutable;
using Serving.Models;
using Serving.Models.Tasks;

namespace Serving.Server.Storage;

/// <summary>A version on disk.</summary>
/// <param name="Folder">Its path.</param>
/// <param name="FileBytes">What its files take.</param>
internal sealed record StoredVersion(string Version, string Folder, TaskManifest Manifest, long FileBytes);

/// <summary>A task on disk.</summary>
/// <param name="Problem">Why its aliases can't be used; null if they can.</param>
internal sealed record StoredTask(
    string Name,
    ImmutableSortedDictionary<string, StoredVersion> Versions,
    TaskAliases Aliases,
    string? Problem = null)
{
    public static StoredTask Empty(string name) =>
        new(name, ImmutableSortedDictionary.Create<string, StoredVersion>(StringComparer.Ordinal), TaskAliases.None);
}

/// <summary>Task versions and aliases on disk: `tasks/NAME/VERSION/` and `tasks/NAME/aliases.json`.</summary>
/// <remarks>
/// Each change is one rename, so that whoever reads sees the state before it or after it. Folders whose name begins
/// with a dot are unfinished business of a process that stopped; they are removed at the start. Changes come one at a
/// time.
/// </remarks>
internal sealed class TaskStore : IDisposable
{
    private const string AliasesFile = "aliases.json";
    private const string LockFile = ".lock";

    private readonly string _root;
    private readonly ILogger<TaskStore> _logger;
    private readonly FileStream _lock;

    /// <param name="root">The folder of all tasks; made if it is missing.</param>
    /// <exception cref="StorageException">Another server uses it.</exception>
    public TaskStore(string root, ILogger<TaskStore> logger)
    {
        _root = Path.GetFullPath(root);
        _logger = logger;
        Directory.CreateDirectory(_root);
        try
        {
            _lock = new FileStream(
                Path.Combine(_root, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception)
        {
            throw new StorageException(
                $"{_root} is used by another server; give each server a data root of its own.", exception);
        }
    }

    /// <summary>Removes what interrupted changes left behind; only before anything else is done.</summary>
    public void CleanUp()
    {
        foreach (var folder in Directory.EnumerateDirectories(_root, ".*").ToList())
            Directory.Delete(folder, recursive: true);
        foreach (var file in Directory.EnumerateFiles(_root, ".writing-*", SearchOption.AllDirectories).ToList())
            File.Delete(file);
    }

    /// <summary>Reads everything there is. What can't be read is logged and left out; nothing is changed.</summary>
    /// <param name="known">What was read before: versions do not change, so theirs is not read again.</param>
    public ImmutableSortedDictionary<string, StoredTask> Scan(
        ImmutableSortedDictionary<string, StoredTask>? known = null)
    {
        var tasks = ImmutableSortedDictionary.CreateBuilder<string, StoredTask>(StringComparer.Ordinal);
        foreach (var folder in Directory.EnumerateDirectories(_root))
        {
            var name = Path.GetFileName(folder);
            if (!ResourceName.IsValid(name))
                continue;
            var task = Read(name, known?.GetValueOrDefault(name) ?? StoredTask.Empty(name));
            if (task.Versions.Count > 0 || task.Problem is not null)
                tasks.Add(name, task);
        }

        return tasks.ToImmutable();
    }

    /// <summary>Begins an upload.</summary>
    public TaskUpload BeginUpload(string task, string? expectedVersion, long maxFileBytes) =>
        new(Path.Combine(_root, $".import-{Guid.NewGuid():N}"), task, expectedVersion, maxFileBytes);

    /// <summary>Makes an upload that was checked a version of its task.</summary>
    /// <returns>The version, and whether it is new.</returns>
    public (StoredVersion Version, bool IsNew) Commit(TaskUpload upload, string version)
    {
        var folder = Folder(upload.Task, version);
        var isNew = !Directory.Exists(folder);
        if (isNew)
            DurableFile.MoveFolder(upload.Folder, folder);
        return (ReadVersion(folder, version), isNew);
    }

    /// <summary>Replaces a task's aliases.</summary>
    public void WriteAliases(string task, TaskAliases aliases) =>
        DurableFile.Replace(Path.Combine(_root, task, AliasesFile), aliases.ToJson());

    /// <summary>Deletes a version.</summary>
    public void Delete(string task, string version)
    {
        var doomed = Path.Combine(_root, $".deleted-{Guid.NewGuid():N}");
        DurableFile.MoveFolder(Folder(task, version), doomed);
        Directory.Delete(doomed, recursive: true);
    }

    public void Dispose() => _lock.Dispose();

    private string Folder(string task, string version) => Path.Combine(_root, task, version);

    private StoredTask Read(string name, StoredTask known)
    {
        var task = StoredTask.Empty(name);
        foreach (var folder in Directory.EnumerateDirectories(Path.Combine(_root, name)))
        {
            var version = Path.GetFileName(folder);
            if (!ResourceName.IsVersion(version))
                continue;
            try
            {
                var stored = known.Versions.GetValueOrDefault(version) ?? ReadVersion(folder, version);
                task = task with { Versions = task.Versions.Add(version, stored) };
            }
            catch (ModelFileException exception)
            {
                _logger.LogError("A version of the task {Task} is left out: {Problem}", name, exception.Message);
            }
        }

        var path = Path.Combine(_root, name, AliasesFile);
        if (!File.Exists(path))
            return task;
        try
        {
            return task with { Aliases = TaskAliases.Parse(path, File.ReadAllBytes(path)) };
        }
        catch (Exception exception) when (exception is StorageException or IOException)
        {
            _logger.LogError("The aliases of the task {Task} can't be used: {Problem}", name, exception.Message);
            return task with { Problem = exception.Message };
        }
    }

    private static StoredVersion ReadVersion(string folder, string version) => new(
        version,
        folder,
        TaskPack.ReadManifest(folder, version),
        Directory.EnumerateFiles(folder).Sum(file => new FileInfo(file).Length));
}
