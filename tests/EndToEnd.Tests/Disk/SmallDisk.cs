using System.Diagnostics;

namespace Serving.EndToEnd.Tests.Disk;

/// <summary>A file system of its own in a folder, as large as a test wants, and as full.</summary>
internal sealed class SmallDisk : IDisposable
{
    public const int PageBytes = 4096;

    private readonly string _folder;

    private SmallDisk(string folder) => _folder = folder;

    private string Filler => Path.Combine(_folder, "filler");

    /// <summary>Whether this process may mount.</summary>
    public static bool IsPossible { get; } = OperatingSystem.IsLinux() && CanMount();

    /// <param name="folder">Made if it is missing.</param>
    public static SmallDisk Mount(string folder, long bytes)
    {
        Directory.CreateDirectory(folder);
        return TryMount(folder, bytes) ? new(folder) : throw new IOException($"Nothing can be mounted at {folder}.");
    }

    /// <summary>Takes all room but some pages.</summary>
    public void Fill(int pagesLeft)
    {
        using var file = new FileStream(Filler, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        var page = new byte[PageBytes];
        try
        {
            while (true)
                file.Write(page);
        }
        catch (IOException)
        {
            file.SetLength(Math.Max(0, file.Length - ((long)pagesLeft * PageBytes)));
        }
    }

    public void Free() => File.Delete(Filler);

    public void Dispose() => Run("umount", "--lazy", _folder);

    private static bool CanMount()
    {
        var folder = Directory.CreateTempSubdirectory().FullName;
        var isMounted = TryMount(folder, PageBytes);
        if (isMounted)
            Run("umount", folder);
        Directory.Delete(folder);
        return isMounted;
    }

    private static bool TryMount(string folder, long bytes) =>
        Run("mount", "-t", "tmpfs", "-o", $"size={bytes}", "tmpfs", folder);

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            var start = new ProcessStartInfo(program, arguments)
            {
                UseShellExecute = false,
                RedirectStandardError = true,
                RedirectStandardOutput = true
            };
            using var process = Process.Start(start)!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // There is no such program.
        }
    }
}

/// <summary>A test that mounts; it is skipped where that is not allowed, or a file of the shared folder is missing.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SmallDiskFactAttribute : FactAttribute
{
    public SmallDiskFactAttribute(string? shared = null)
    {
        if (!SmallDisk.IsPossible)
            Skip = "Mounting a tmpfs is not allowed here";
        else if (shared is not null && !Testing.SharedFiles.Exists(shared))
            Skip = $"shared/{shared} is not here";
    }
}
