namespace Serving.Architecture.Tests;

/// <summary>The assemblies of the projects under src.</summary>
internal static class Assemblies
{
    private const string CommandLine = "serving"; // As it is called.

    public static IEnumerable<string> Layers =>
        Directory.EnumerateDirectories(Path.Combine(Repository.Root, "src")).Select(path => Path.GetFileName(path)!);

    public static bool IsOurs(string assembly) =>
        assembly == CommandLine || assembly.StartsWith("Serving.", StringComparison.Ordinal);

    /// <summary>The project of an assembly.</summary>
    public static string Layer(string assembly) => assembly == CommandLine ? "Cli" : assembly["Serving.".Length..];

    public static string PathOf(string layer) =>
        Path.Combine(AppContext.BaseDirectory, layer == "Cli" ? $"{CommandLine}.dll" : $"Serving.{layer}.dll");
}
