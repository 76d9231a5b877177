namespace Serving.Testing;

/// <summary>Datasets and reference vectors in a folder "shared" beside the repository, for tests only.</summary>
internal static class SharedFiles
{
    private static readonly string Root = Path.Combine(FindRepository(), "..", "shared");

    public static bool Exists(string path) => Path.Exists(At(path));

    public static string At(string path) => Path.GetFullPath(Path.Combine(Root, path));

    private static string FindRepository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Serving.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("Serving.sln is above no folder.");
        }

        return folder;
    }
}

/// <summary>A test that needs a file of the shared folder; it is skipped by name where that is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(string path)
    {
        Path = path;
        if (!SharedFiles.Exists(path))
            Skip = $"shared/{path} is not here";
    }

    public string Path { get; }
}

/// <summary>Such a test of several inputs.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(string path)
    {
        Path = path;
        if (!SharedFiles.Exists(path))
            Skip = $"shared/{path} is not here";
    }

    public string Path { get; }
}
