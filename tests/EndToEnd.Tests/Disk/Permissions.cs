using System.Runtime.Versioning;

namespace Serving.EndToEnd.Tests.Disk;

/// <summary>What a server may not do for a while, below a folder.</summary>
internal sealed class Permissions : IDisposable
{
    private const UnixFileMode Reading = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Writing = UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    private readonly List<(string Path, UnixFileMode Mode)> _former = [];

    private Permissions()
    {
    }

    /// <summary>
    /// What runs a server that permissions hold for: root's do not, unless it lets go of the right to ignore them.
    /// </summary>
    public static IReadOnlyList<string> Held { get; } = Environment.IsPrivilegedProcess
        ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
        : [];

    /// <summary>Takes the right to write: a folder and all below, or the folder alone.</summary>
    [UnsupportedOSPlatform("windows")]
    public static Permissions TakeWriting(string folder, SearchOption depth) => Take(folder, depth, Writing);

    /// <summary>Takes the right to read the files below.</summary>
    [UnsupportedOSPlatform("windows")]
    public static Permissions TakeReading(string folder)
    {
        var taken = new Permissions();
        foreach (var file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
            taken.Take(file, Reading);
        return taken;
    }

    /// <summary>Gives them back.</summary>
    public void Dispose()
    {
        foreach (var (path, mode) in _former)
        {
            if (!OperatingSystem.IsWindows() && Path.Exists(path))
                File.SetUnixFileMode(path, mode);
        }
    }

    [UnsupportedOSPlatform("windows")]
    private static Permissions Take(string folder, SearchOption depth, UnixFileMode rights)
    {
        var taken = new Permissions();
        taken.Take(folder, rights);
        if (depth == SearchOption.AllDirectories)
        {
            foreach (var path in Directory.GetFileSystemEntries(folder, "*", depth))
                taken.Take(path, rights);
        }

        return taken;
    }

    [UnsupportedOSPlatform("windows")]
    private void Take(string path, UnixFileMode rights)
    {
        var mode = File.GetUnixFileMode(path);
        _former.Add((path, mode));
        File.SetUnixFileMode(path, mode & ~rights);
    }
}

/// <summary>A test that takes permissions away; it is skipped where they can't be made to hold.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PermissionsFactAttribute : FactAttribute
{
    public PermissionsFactAttribute()
    {
        if (OperatingSystem.IsWindows())
            Skip = "Permissions are those of Unix";
        else if (Permissions.Held is [var program, ..] && !File.Exists($"/usr/bin/{program}"))
            Skip = $"/usr/bin/{program} is not here";
    }
}
