namespace Serving.Jobs.Store;

internal static class FolderSize
{
    /// <summary>The bytes that a folder's files take; files that go meanwhile are passed over.</summary>
    public static long Of(string folder)
    {
        var bytes = 0L;
        if (!Directory.Exists(folder))
            return bytes;
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
}
