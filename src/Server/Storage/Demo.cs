namespace Serving.Server.Storage;

/// <summary>
/// The model and the tasks that the product ships: an empty data root begins with them, and they are its own then.
/// </summary>
internal static class Demo
{
    private const string Models = "models";
    private const string Unfinished = ".demo-";

    /// <summary>Beside the program.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "demo");

    /// <summary>Copies it into a data root that has had no models so far.</summary>
    /// <remarks>The models come last: killed before, the next start does it again.</remarks>
    /// <param name="demo">Laid out as a data root.</param>
    /// <returns>Whether it did.</returns>
    public static bool CopyInto(string root, string demo)
    {
        var models = Path.Combine(root, Models);
        if (Directory.Exists(models) || !Directory.Exists(demo))
            return false;
        Directory.CreateDirectory(root);
        foreach (var unfinished in Directory.GetDirectories(root, Unfinished + "*"))
            Directory.Delete(unfinished, recursive: true);
        var tasks = Path.Combine(root, "tasks");
        Directory.CreateDirectory(tasks);
        foreach (var task in Directory.GetDirectories(Path.Combine(demo, "tasks")))
        {
            var target = Path.Combine(tasks, Path.GetFileName(task));
            if (!Directory.Exists(target))
                Copy(task, root, target);
        }

        Copy(Path.Combine(demo, Models), root, models);
        return true;
    }

    private static void Copy(string from, string root, string to)
    {
        var temporary = Path.Combine(root, $"{Unfinished}{Guid.NewGuid():N}");
        Directory.CreateDirectory(temporary);
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(temporary, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            DurableFile.Copy(file, target);
        }

        DurableFile.MoveFolder(temporary, to);
    }
}
