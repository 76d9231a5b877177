using System.Xml.Linq;

namespace Serving.Architecture.Tests;

/// <summary>The files of this repository.</summary>
internal static class Repository
{
    private static readonly string[] Skipped = ["bin", "obj", "artifacts", "node_modules", ".git", "data"];

    public static string Root { get; } = FindRoot();

    /// <summary>Paths relative to the root, with '/' between folders.</summary>
    public static IEnumerable<string> Files(string folder, string pattern) => Walk(Path.Combine(Root, folder), pattern)
        .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'));

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static XDocument ReadXml(string path) => XDocument.Load(Path.Combine(Root, path));

    public static bool Exists(string path) =>
        File.Exists(Path.Combine(Root, path)) || Directory.Exists(Path.Combine(Root, path));

    private static IEnumerable<string> Walk(string folder, string pattern)
    {
        if (!Directory.Exists(folder))
        {
            return [];
        }

        var below = Directory.EnumerateDirectories(folder)
            .Where(path => !Skipped.Contains(Path.GetFileName(path)))
            .SelectMany(path => Walk(path, pattern));
        return Directory.EnumerateFiles(folder, pattern).Concat(below);
    }

    private static string FindRoot()
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
