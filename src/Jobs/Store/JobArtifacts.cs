using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs.Store;

/// <summary>The files that come out of a job: `artifacts/` in its folder.</summary>
public static class JobArtifacts
{
    /// <summary>All of them, by name.</summary>
    public static IReadOnlyList<JobArtifact> List(string jobFolder)
    {
        var root = Root(jobFolder);
        if (!Directory.Exists(root))
            return [];
        return
        [
            .. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
                .Where(path => !Path.GetFileName(path).StartsWith(DurableFile.Unfinished, StringComparison.Ordinal))
                .Select(path => new JobArtifact(
                    Path.GetRelativePath(root, path).Replace(Path.DirectorySeparatorChar, '/'),
                    new FileInfo(path).Length))
                .OrderBy(artifact => artifact.Name, StringComparer.Ordinal)
        ];
    }

    /// <param name="name">One that <see cref="List"/> has: any other could lead anywhere.</param>
    public static string PathOf(string jobFolder, string name) => Path.Combine(Root(jobFolder), name);

    internal static string Root(string jobFolder) => Path.Combine(jobFolder, "artifacts");
}
