using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>Task versions and aliases on disk: `tasks/NAME/VERSION/` and `tasks/NAME/aliases.json`.</summary>
/// <remarks>
/// A version is there if its folder is: the blob store's, over the same root. Each change is one rename, so that
/// whoever reads sees the state before it or after it.
/// </remarks>
public sealed class FileTaskRepository : ITaskRepository, IDisposable
{
    private const string AliasesFile = "aliases.json";

    private readonly string _root;
    private readonly IFileSystem _files;
    private readonly ILogger<FileTaskRepository> _logger;
    private readonly FolderLock _lock;
    private readonly Lock _aliases = new(); // From the comparison to the replacement.

    /// <param name="root">The folder of all tasks; made if it is missing.</param>
    /// <exception cref="DomainException">Another server uses it.</exception>
    public FileTaskRepository(string root, IFileSystem files, ILogger<FileTaskRepository> logger)
    {
        _root = Path.GetFullPath(root);
        _files = files;
        _logger = logger;
        files.EnsureFolder(_root);
        _lock = FolderLock.Take(_root);
        if (_lock.IsReadOnly)
        {
            logger.LogWarning("{Folder} can't be written: what is there is served, and nothing can be changed.", _root);
            return;
        }

        foreach (var file in Directory.EnumerateFiles(
            _root, DurableFile.Unfinished + "*", SearchOption.AllDirectories).ToList())
            files.TryDelete(file);
    }

    public Task<IReadOnlyList<StoredTask>> ReadAsync(IReadOnlyDictionary<string, StoredTask> known)
    {
        var tasks = new List<StoredTask>();
        foreach (var name in Directory.EnumerateDirectories(_root).Select(folder => Path.GetFileName(folder)))
        {
            if (!ResourceName.IsValid(name))
                continue;
            var task = Read(name, known.GetValueOrDefault(name));
            if (task.Versions.Count > 0 || task.Problem is not null)
                tasks.Add(task);
        }

        return Task.FromResult<IReadOnlyList<StoredTask>>(tasks);
    }

    public Task<StoredTask> ReadAsync(string task, StoredTask? known) => Task.FromResult(Read(task, known));

    public Task<StoredVersion> AddVersionAsync(string task, string version) =>
        Task.FromResult(ReadVersion(Path.Combine(_root, task, version), version));

    public Task<TaskAliases> ReplaceAliasesAsync(string task, TaskAliases aliases)
    {
        _lock.ThrowIfReadOnly();
        var path = Path.Combine(_root, task, AliasesFile);
        var json = aliases.ToJson();
        lock (_aliases)
        {
            var present = File.Exists(path) ? Revision(File.ReadAllBytes(path)) : "";
            if (present != aliases.Revision)
            {
                throw DomainException.Conflict(
                    $"tasks/{task}", $"The aliases of the task '{task}' were changed meanwhile", "read them again");
            }

            _files.Replace(path, json);
        }

        return Task.FromResult(aliases with { Revision = Revision(json) });
    }

    public Task RemoveVersionAsync(string task, string version)
    {
        _lock.ThrowIfReadOnly();
        var folder = Path.Combine(_root, task, version);
        _files.DeleteFolder(folder, Path.Combine(_root, $".deleted-{Guid.NewGuid():N}"));
        return Task.CompletedTask;
    }

    public void Dispose() => _lock.Dispose();

    private StoredTask Read(string name, StoredTask? known)
    {
        var task = StoredTask.Empty(name);
        var folder = Path.Combine(_root, name);
        if (!Directory.Exists(folder))
            return task;
        string[] versions;
        try
        {
            versions = [.. Directory.GetDirectories(folder).Select(version => Path.GetFileName(version))];
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            _logger.LogError("The task {Task} can't be read: {Problem}", name, exception.Message);
            return task with { Problem = exception.Message };
        }

        foreach (var version in versions.Where(ResourceName.IsVersion))
        {
            try
            {
                var stored = known?.Versions.GetValueOrDefault(version)
                    ?? ReadVersion(Path.Combine(folder, version), version);
                task = task with { Versions = task.Versions.Add(version, stored) };
            }
            catch (Exception exception) when (exception is ModelFileException || DiskFailure.Is(exception))
            {
                _logger.LogError("A version of the task {Task} is left out: {Problem}", name, exception.Message);
            }
        }

        var path = Path.Combine(folder, AliasesFile);
        if (!File.Exists(path))
            return task;
        try
        {
            var json = File.ReadAllBytes(path);
            return task with { Aliases = TaskAliases.Parse(path, json) with { Revision = Revision(json) } };
        }
        catch (Exception exception) when (exception is DomainException || DiskFailure.Is(exception))
        {
            _logger.LogError("The aliases of the task {Task} can't be used: {Problem}", name, exception.Message);
            return task with { Problem = exception.Message };
        }
    }

    private static string Revision(byte[] json) => Convert.ToHexStringLower(SHA256.HashData(json));

    private static StoredVersion ReadVersion(string folder, string version) => new(
        version,
        VersionFiles.ReadManifest(folder, version),
        Directory.EnumerateFiles(folder).Sum(file => new FileInfo(file).Length));
}
