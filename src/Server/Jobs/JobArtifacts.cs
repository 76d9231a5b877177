namespace Serving.Server.Jobs;

/// <summary>The files that come out of a job: `artifacts/` in its folder.</summary>
internal static class JobArtifacts
{
    /// <summary>All of them, by name.</summary>
    public static IReadOnlyList<V1.Artifact> List(string jobFolder)
    {
        var root = Root(jobFolder);
        if (!Directory.Exists(root))
            return [];
        return
        [
            .. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
                .Select(path => new V1.Artifact
                {
                    Name = Path.GetRelativePath(root, path).Replace(Path.DirectorySeparatorChar, '/'),
                    Bytes = new FileInfo(path).Length
                })
                .OrderBy(artifact => artifact.Name, StringComparer.Ordinal)
        ];
    }

    /// <param name="name">One that <see cref="List"/> has: any other could lead anywhere.</param>
    public static string PathOf(string jobFolder, string name) => Path.Combine(Root(jobFolder), name);

    /// <summary>What a folder takes; files that go meanwhile are passed over.</summary>
    public static long BytesBelow(string folder)
    {
        var bytes = 0L;
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            try
            {
                bytes += file.Length;
            }
            catch (FileNotFoundException)
            {
                // A checkpoint that a newer one replaced.
            }
        }

        return bytes;
    }

    private static string Root(string jobFolder) => Path.Combine(jobFolder, "artifacts");
}
