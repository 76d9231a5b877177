using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs.Store;

/// <summary>What a worker leaves in a job's folder that nobody can use.</summary>
public static class JobLeftovers
{
    /// <summary>The file that a worker holds while it works in the folder.</summary>
    public const string LockFile = ".lock";

    /// <summary>Removes what was half written, and checkpoints of a job that succeeded.</summary>
    /// <remarks>As far as the disk lets; nothing while a worker is at work.</remarks>
    internal static void Remove(IFileSystem files, string folder, JobRecord record)
    {
        if (!Directory.Exists(folder))
            return;
        try
        {
            using var alone = TryLock(Path.Combine(folder, LockFile));
            foreach (var entry in Directory.GetFileSystemEntries(
                folder, DurableFile.Unfinished + "*", SearchOption.AllDirectories))
                files.TryDelete(entry);
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            return; // A worker is at work, or the folder can't be read.
        }

        if (record.Artifacts.Count == 0)
            files.TryDelete(JobArtifacts.Root(folder)); // A worker makes all of them again.
        if (record.State == JobState.Succeeded)
            files.TryDelete(Path.Combine(folder, "checkpoints"));
    }

    /// <exception cref="IOException">A worker holds it.</exception>
    private static FileStream? TryLock(string path) => File.Exists(path)
        ? new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None)
        : null;
}
