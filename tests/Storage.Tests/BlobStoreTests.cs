using Serving.Testing;

namespace Serving.Storage.Tests;

/// <summary>What every blob store does.</summary>
public abstract class BlobStoreTests : IDisposable
{
    private const string Key = "sentiment/3f2a";

    private protected TemporaryFolder Folder { get; } = new();

    /// <summary>A store over what was stored before.</summary>
    protected abstract IBlobStore Open();

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Commit_MakesTheFilesThoseOfTheKey_ForOtherStoresToo()
    {
        Assert.True(await CommitAsync(Open(), "one"));
        var folder = await Open().FetchAsync(Key);
        Assert.Equal("one", await File.ReadAllTextAsync(Path.Combine(folder, "file")));
    }

    [Fact]
    public async Task Commit_OfAKeyThatIsThere_KeepsIt()
    {
        var store = Open();
        await CommitAsync(store, "one");
        Assert.False(await CommitAsync(store, "two"));
        Assert.Equal("one", await File.ReadAllTextAsync(Path.Combine(await store.FetchAsync(Key), "file")));
    }

    [Fact]
    public async Task Fetch_OfWhatIsNotThere_SaysSo()
    {
        var error = await Assert.ThrowsAsync<DomainException>(() => Open().FetchAsync(Key));
        Assert.Equal((ErrorKind.NotFound, "blob", Key), (error.Kind, error.Resource, error.Subject));
    }

    [Fact]
    public async Task Draft_ThatIsNotCommitted_LeavesNothing()
    {
        string folder;
        using (var draft = Open().Begin())
        {
            folder = draft.Folder;
            draft.Files.WriteNew(Path.Combine(folder, "file"), file => file.Write("x"u8));
        }

        Assert.False(Directory.Exists(folder));
        await Assert.ThrowsAsync<DomainException>(() => Open().FetchAsync(Key));
    }

    [Fact]
    public async Task CleanUp_RemovesDraftsOfProcessesThatStopped_AndNothingElse()
    {
        await CommitAsync(Open(), "one");
        var draft = Open().Begin();
        Open().CleanUp();
        Assert.False(Directory.Exists(draft.Folder));
        await Open().FetchAsync(Key);
    }

    [Fact]
    public async Task Delete_TakesTheKeyAway_AndOpenFilesCanStillBeRead()
    {
        var store = Open();
        await CommitAsync(store, "one");
        await using var open = File.OpenRead(Path.Combine(await store.FetchAsync(Key), "file"));
        await store.DeleteAsync(Key);
        await store.DeleteAsync(Key);
        await Assert.ThrowsAsync<DomainException>(() => Open().FetchAsync(Key));
        Assert.Equal('o', open.ReadByte());
        Assert.True(await CommitAsync(store, "two"));
    }

    private static async Task<bool> CommitAsync(IBlobStore store, string text)
    {
        using var draft = store.Begin();
        draft.Files.WriteNew(
            Path.Combine(draft.Folder, "file"), file => file.Write(System.Text.Encoding.UTF8.GetBytes(text)));
        return await store.CommitAsync(draft, Key);
    }
}

public sealed class FolderBlobStoreTests : BlobStoreTests
{
    protected override IBlobStore Open() => new FolderBlobStore(Folder.At("blobs"), DiskFileSystem.Instance);
}
