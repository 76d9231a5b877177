using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>
/// The model and the tasks that the product ships: an empty data root begins with them, and they are its own then.
/// </summary>
public static class Demo
{
    private const string Models = "models";
    private const string Unfinished = ".demo-";

    /// <summary>Beside the program.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "demo");

    /// <summary>Copies it into a data root that has had no models so far.</summary>
    /// <remarks>The models come last: killed before, the next start does it again.</remarks>
    /// <param name="demo">Laid out as a data root.</param>
    /// <returns>Whether it did.</returns>
    public static bool CopyInto(string root, string demo, IFileSystem files)
    {
        var models = Path.Combine(root, Models);
        if (Directory.Exists(models) || !Directory.Exists(demo))
            return false;
        files.EnsureFolder(root);
        foreach (var unfinished in Directory.GetDirectories(root, Unfinished + "*"))
            files.TryDelete(unfinished);
        var tasks = Path.Combine(root, "tasks");
        files.EnsureFolder(tasks);
        foreach (var task in Directory.GetDirectories(Path.Combine(demo, "tasks")))
        {
            var target = Path.Combine(tasks, Path.GetFileName(task));
            if (!Directory.Exists(target))
                Copy(files, task, root, target);
        }

        Copy(files, Path.Combine(demo, Models), root, models);
        return true;
    }

    private static void Copy(IFileSystem files, string from, string root, string to)
    {
        var temporary = Path.Combine(root, $"{Unfinished}{Guid.NewGuid():N}");
        files.CreateFolder(temporary);
        try
        {
            foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
            {
                var target = Path.Combine(temporary, Path.GetRelativePath(from, file));
                files.CreateFolder(Path.GetDirectoryName(target)!);
                files.Copy(file, target);
            }

            files.MoveFolder(temporary, to);
        }
        catch
        {
            files.TryDelete(temporary);
            throw;
        }
    }
}
