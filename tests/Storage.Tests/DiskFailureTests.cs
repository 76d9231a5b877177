namespace Serving.Storage.Tests;

public sealed class DiskFailureTests
{
    private const int NoSpace = 28;
    private const int Quota = 122;
    private const int ReadOnly = 30;

    [Theory]
    [InlineData(NoSpace)]
    [InlineData(Quota)]
    [InlineData(unchecked((int)0x80070070))] // ERROR_DISK_FULL
    public void Full_IsTooLarge_WithTheRemedy(int error)
    {
        var full = new IOException("No space left on device", error);
        Assert.True(DiskFailure.IsFull(full));
        var told = DiskFailure.Explain(new InvalidOperationException("It failed.", full))!;
        Assert.Equal(
            (ErrorKind.TooLarge, "There is no room left on the server's disk; this takes some. "
                + "Delete jobs or datasets, or free other room, then try again."),
            (told.Kind, told.Message));
        Assert.Equal(
            "There is no room left on the disk. Free some, then try again. (No space left on device)",
            DiskFailure.Message(full));
    }

    [Fact]
    public void Denied_IsAFailedPrecondition()
    {
        foreach (var denied in (Exception[])
        [
            new UnauthorizedAccessException("/data/x"),
            new IOException("Read-only file system", ReadOnly),
            new IOException("Access to the path '/data/x' is denied.", 13) // EACCES, of a folder that is moved.
        ])
        {
            var told = DiskFailure.Explain(denied)!;
            Assert.Equal(ErrorKind.FailedPrecondition, told.Kind);
            Assert.DoesNotContain("/data", told.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Gone_IsCorrupted()
    {
        Assert.Equal(ErrorKind.Corrupted, DiskFailure.Explain(new FileNotFoundException("/data/x"))!.Kind);
        Assert.Equal(ErrorKind.Corrupted, DiskFailure.Explain(new DirectoryNotFoundException("/data/x"))!.Kind);
    }

    [Fact]
    public void Others_AreNotExplained()
    {
        Assert.Null(DiskFailure.Explain(new IOException("Broken pipe", 32)));
        Assert.Null(DiskFailure.Explain(new InvalidOperationException("No.")));
        Assert.False(DiskFailure.Is(new InvalidOperationException("No.")));
    }

    [Fact]
    public void File_ThatAnotherHolds_IsInUse_AndOneThatIsMissingIsNot()
    {
        using var folder = new Testing.TemporaryFolder();
        var path = folder.At("held");
        using var held = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None);
        Assert.True(DiskFailure.IsInUse(Assert.ThrowsAny<IOException>(
            () => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None))));
        Assert.False(DiskFailure.IsInUse(Assert.ThrowsAny<IOException>(() => File.OpenRead(folder.At("missing")))));
    }
}
