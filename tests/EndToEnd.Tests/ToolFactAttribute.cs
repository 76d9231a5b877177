namespace Serving.EndToEnd.Tests;

/// <summary>
/// A test that needs programs or packages of other stacks; it is skipped by name where one is missing.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolFactAttribute : FactAttribute
{
    public ToolFactAttribute(params string[] paths)
    {
        if (Array.Find(paths, path => !Path.Exists(Path.Combine(Repository, path))) is { } missing)
            Skip = $"{missing} is not here";
    }

    public static string Repository { get; } = FindRepository();

    private static string FindRepository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Serving.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
