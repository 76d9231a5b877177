namespace Serving.Catalog.Stored;

/// <summary>What a model's files look like from outside: where that is as before, their contents are, too.</summary>
internal static class FolderLook
{
    /// <summary>Names, sizes and times of the files of a folder; of a link those of what it leads to.</summary>
    public static string Of(string folder) => string.Join('\n', Files(folder).Select(Describe));

    /// <summary>The files of a folder by name, but for those whose name begins with a dot.</summary>
    public static IEnumerable<string> Files(string folder) => Directory.GetFiles(folder)
        .Where(file => !Path.GetFileName(file).StartsWith('.'))
        .Order(StringComparer.Ordinal);

    /// <summary>What a path leads to; null for a link that leads nowhere.</summary>
    public static FileInfo? Target(string path)
    {
        var file = new FileInfo(path);
        var target = file.LinkTarget is null ? file : (FileInfo)file.ResolveLinkTarget(returnFinalTarget: true)!;
        return target.Exists ? target : null;
    }

    private static string Describe(string path)
    {
        var name = Path.GetFileName(path);
        return Target(path) is { } file ? $"{name} {file.Length} {file.LastWriteTimeUtc.Ticks}" : $"{name} nowhere";
    }
}
