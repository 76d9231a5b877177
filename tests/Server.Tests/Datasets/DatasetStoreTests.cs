using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Serving.Server.Configuration;
using Serving.Server.Datasets;
using Serving.Storage;
using Serving.Testing;
using Serving.Testing.DiskFailures;
using Serving.Training.Data;

namespace Serving.Server.Tests.Datasets;

/// <summary>A disk that takes no more, or no longer lets itself be written, at each moment of an upload.</summary>
public sealed class DatasetStoreTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Root => _folder.At("datasets");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Dataset_WhateverIsRefused_IsThereAsAWholeOrNotAtAll(Refusal refusal)
    {
        var (with, without) = (0, 0);
        for (var allowed = 0; ; allowed++)
        {
            Directory.CreateDirectory(Root);
            var disk = new FailingFileSystem(refusal, allowed);
            var store = Open(disk);
            var refused = await Record.ExceptionAsync(() => UploadAsync(store));
            Assert.True(refused is null || DiskFailure.Is(refused), $"{refused}");
            Assert.Equal(refused is null ? 1 : 0, store.All.Count);
            if (refusal == Refusal.Room)
                Assert.Equal(store.All.Count, Directory.GetFileSystemEntries(Root).Length); // At once.

            var again = Open(DiskFileSystem.Instance);
            Assert.Equal(store.All.Keys, again.All.Keys);
            Assert.Equal(store.All.Count, Directory.GetFileSystemEntries(Root).Length);
            foreach (var dataset in again.All.Values)
                Assert.Equal(["a", "b"], DatasetFolder.Rows(again.Folder(dataset)).Select(row => row.Text));
            (with, without) = refused is null ? (with + 1, without) : (with, without + 1);
            Directory.Delete(Root, recursive: true);
            if (!disk.HasRefused)
                break;
        }

        Assert.True(with > 0 && without > 2, $"{with} with, {without} without");
    }

    [Fact]
    public async Task Delete_ThatIsRefused_LeavesTheDataset_AndOneWhoseFolderIsGoneIsForgotten()
    {
        Directory.CreateDirectory(Root);
        var disk = new FailingFileSystem(Refusal.Access, allowed: 0) { IsMended = true };
        var store = Open(disk);
        await UploadAsync(store);
        disk.IsMended = false;
        Assert.Throws<UnauthorizedAccessException>(() => store.Delete("letters"));
        Assert.Single(store.All);
        Directory.Delete(store.Folder(store.All["letters"]), recursive: true);
        store.Delete("letters");
        Assert.Empty(store.All);
    }

    private static async Task UploadAsync(DatasetStore store)
    {
        using var upload = store.BeginUpload("letters");
        await upload.AppendAsync(Encoding.UTF8.GetBytes("a\nb\n"), CancellationToken.None);
        store.Commit(upload, upload.Finish(
            "letters", DatasetFormat.Lines, new(""), mostRejected: 0, CancellationToken.None));
    }

    private DatasetStore Open(IFileSystem files) =>
        new(Root, new ServerOptions(), files, NullLogger<DatasetStore>.Instance);
}
