namespace Serving.Storage;

/// <summary>What the disk refuses, told apart and said to people.</summary>
public static class DiskFailure
{
    // errno of Linux and, where it differs, of macOS; and HRESULTs of Windows.
    private static readonly int[] Full = [28, 122, 69, unchecked((int)0x80070070), unchecked((int)0x80070027)];
    private static readonly int[] InUse = [11, 35, unchecked((int)0x80070020)];
    // EPERM, EACCES and EROFS: a folder that may not be moved is an IOException, too.
    private static readonly int[] Denied = [1, 13, 30, unchecked((int)0x80070005)];

    /// <summary>Whether it is an error of the file system.</summary>
    public static bool Is(Exception exception) => exception is IOException or UnauthorizedAccessException;

    /// <summary>Whether there is no room left: no space, or the end of a quota.</summary>
    public static bool IsFull(Exception exception) => Within(exception)
        .Any(inner => inner is IOException && Full.Contains(inner.HResult));

    /// <summary>Whether another process holds the file.</summary>
    public static bool IsInUse(Exception exception) =>
        exception is IOException && InUse.Contains(exception.HResult);

    /// <summary>Whether this process may not do it, for want of permission or since the disk is read-only.</summary>
    public static bool IsDenied(Exception exception) =>
        Within(exception).Any(inner => inner is UnauthorizedAccessException
            || (inner is IOException && Denied.Contains(inner.HResult)));

    /// <summary>What a caller is told; the file's name is for the log.</summary>
    /// <returns>Null if it is none of the disk's usual refusals.</returns>
    public static DomainException? Explain(Exception exception)
    {
        if (IsFull(exception))
        {
            return DomainException.TooLarge(
                "There is no room left on the server's disk", "this takes some",
                "delete jobs or datasets, or free other room, then try again");
        }

        if (IsDenied(exception))
        {
            return DomainException.FailedPrecondition(
                "data", "The server may not use a file of its data root as this needs",
                "its user must be able to read and write there", "mend the permissions; its log names the file");
        }

        return Within(exception).Any(inner => inner is FileNotFoundException or DirectoryNotFoundException)
            ? DomainException.Corrupted(
                "data", "A file of the data root is gone", remedy: "put it back; the server's log names it")
            : null;
    }

    /// <summary>What went wrong, for people who see the server's files.</summary>
    public static string Message(Exception exception) => IsFull(exception)
        ? $"There is no room left on the disk. Free some, then try again. ({exception.Message})"
        : exception.Message;

    private static IEnumerable<Exception> Within(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
            yield return exception;
    }
}
