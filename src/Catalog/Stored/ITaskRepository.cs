using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>Tasks, their versions and aliases, durably. The files of versions are in a blob store.</summary>
public interface ITaskRepository
{
    /// <summary>The key of a version's files in the blob store.</summary>
    static string Key(string task, string version) => $"{task}/{version}";

    /// <summary>Everything there is. What can't be read is logged and left out; nothing is changed.</summary>
    /// <param name="known">What was read before: versions do not change, so theirs need not be read again.</param>
    Task<IReadOnlyList<StoredTask>> ReadAsync(IReadOnlyDictionary<string, StoredTask> known);

    /// <summary>A task as it is now; one without versions and aliases if it is not there.</summary>
    /// <param name="known">What was read of it before.</param>
    Task<StoredTask> ReadAsync(string task, StoredTask? known);

    /// <summary>Notes a version, whose files have been committed.</summary>
    Task<StoredVersion> AddVersionAsync(string task, string version);

    /// <summary>Replaces a task's aliases, if they are still those that the new ones were made from.</summary>
    /// <param name="aliases">Their revision is that of those they replace.</param>
    /// <returns>They, with their new revision.</returns>
    /// <exception cref="DomainException">A conflict: somebody else was faster; nothing has changed.</exception>
    Task<TaskAliases> ReplaceAliasesAsync(string task, TaskAliases aliases);

    /// <summary>Forgets a version: nobody who reads from now on finds it.</summary>
    Task RemoveVersionAsync(string task, string version);
}
