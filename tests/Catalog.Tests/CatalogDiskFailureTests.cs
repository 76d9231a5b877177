using Microsoft.Extensions.Logging.Abstractions;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Inference.Scheduling;
using Serving.Models.Versions;
using Serving.Storage;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Testing.DiskFailures;

namespace Serving.Catalog.Tests;

/// <summary>A disk that refuses changes from any of them on: what is served is what the next start finds.</summary>
public sealed class CatalogDiskFailureTests : IDisposable
{
    private readonly DataFolder _data = new();
    private readonly CpuBackend _backend = new(threads: 1);
    private readonly LanePool _lanes;
    private readonly string[] _versions;

    public CatalogDiskFailureTests()
    {
        _lanes = new(_backend, TimeProvider.System);
        _versions = [_data.WriteVersion(seed: 1), _data.WriteVersion(seed: 2)];
    }

    private string Tasks => Path.Combine(_data.Path, "tasks");

    public void Dispose()
    {
        _lanes.Dispose();
        _backend.Dispose();
        _data.Dispose();
    }

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Import_WhateverIsRefused_IsDoneOrNot(Refusal refusal)
    {
        var ends = await RefuseAtEachChangeAsync(
            refusal, static _ => Task.CompletedTask, open => ImportAsync(open, _versions[0], "production"));
        var stored = ends.Where(end => end == Name(0)); // Where it can't be deleted either; this is said.
        Assert.Equal(refusal == Refusal.Access ? 1 : 0, stored.Count());
        Assert.Equal(["", $"production={Name(0)} {Name(0)}"], ends.Except(stored));
    }

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task AliasChange_WhateverIsRefused_IsDoneOrNot(Refusal refusal)
    {
        var ends = await RefuseAtEachChangeAsync(
            refusal,
            ImportBothAsync,
            open => open.Catalog.SetAliasAsync("t", "production", _ => AliasTarget.To(Name(1))));
        Assert.Equal(new[] { With(Name(0)), With(Name(1)) }.Order(StringComparer.Ordinal), ends);

        string With(string version) => string.Join(
            ' ', _versions.Select(Path.GetFileName).Order(StringComparer.Ordinal).Prepend($"production={version}"));
    }

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Deletion_WhateverIsRefused_IsDoneOrNot(Refusal refusal)
    {
        var ends = await RefuseAtEachChangeAsync(
            refusal, ImportBothAsync, open => open.Catalog.DeleteVersionAsync("t", Name(1)));
        Assert.Contains($"production={Name(0)} {Name(0)}", ends);
        Assert.InRange(ends.Count, 1, 2);
    }

    private string Name(int index) => Path.GetFileName(_versions[index]);

    /// <returns>All states of the task in which the change left it; the change is repeated once the disk is mended.
    /// </returns>
    private async Task<IReadOnlyList<string>> RefuseAtEachChangeAsync(
        Refusal refusal, Func<Opened, Task> before, Func<Opened, Task> change)
    {
        var ends = new List<string>();
        for (var allowed = 0; ; allowed++)
        {
            if (Directory.Exists(Tasks))
                Directory.Delete(Tasks, recursive: true);
            var disk = new FailingFileSystem(refusal, allowed) { IsMended = true };
            Exception? refused;
            string served;
            using (var open = await OpenAsync(disk))
            {
                await before(open);
                disk.IsMended = false;
                refused = await Record.ExceptionAsync(() => change(open));
                disk.IsMended = true;
                served = Describe(open.Catalog);
                if (refused is DomainException { Kind: ErrorKind.FailedPrecondition })
                    Assert.Contains($"{served} of the task 't' is stored", refused.Message, StringComparison.Ordinal);
                else
                    Assert.True(refused is null || DiskFailure.Is(refused), refused?.ToString());
            }

            using (var next = await OpenAsync(DiskFileSystem.Instance))
            {
                Assert.Equal(served, Describe(next.Catalog));
                foreach (var version in next.Catalog.Table.Tasks.Values.SelectMany(task => task.Versions.Keys))
                    VersionFiles.Open(Path.Combine(Tasks, "t", version), version).Dispose();
                AssertNothingIsHalf();
                if (refused is not null)
                    await change(next);
                ends.Add(served);
                ends.Add(Describe(next.Catalog));
            }

            if (!disk.HasRefused)
                return [.. ends.Distinct().Order(StringComparer.Ordinal)];
            Assert.True(allowed < 1000, "The change never ends.");
        }
    }

    private async Task ImportBothAsync(Opened open)
    {
        await ImportAsync(open, _versions[0], "production");
        await ImportAsync(open, _versions[1], alias: null);
    }

    private static async Task ImportAsync(Opened open, string folder, string? alias)
    {
        var version = Path.GetFileName(folder);
        using var upload = new VersionUpload(open.Blobs.Begin(), "t", version, long.MaxValue);
        foreach (var file in Directory.GetFiles(folder))
        {
            await upload.AppendAsync(
                Path.GetFileName(file), await File.ReadAllBytesAsync(file), CancellationToken.None);
        }

        upload.Finish();
        await open.Catalog.CommitAsync(upload, version, alias, firstAlias: null);
    }

    private static string Describe(TaskCatalog catalog) => string.Join('\n', catalog.Table.Tasks.Values.Select(task =>
        string.Join(' ', task.Aliases.Aliases.Select(alias => $"{alias.Key}={alias.Value.Version}")
            .Concat(task.Versions.Keys.Order(StringComparer.Ordinal)))));

    private void AssertNothingIsHalf() => Assert.DoesNotContain(
        Directory.GetFileSystemEntries(Tasks, ".*", SearchOption.AllDirectories).Select(Path.GetFileName),
        name => name != ".lock");

    private async Task<Opened> OpenAsync(IFileSystem files)
    {
        var repository = new FileTaskRepository(Tasks, files, NullLogger<FileTaskRepository>.Instance);
        var blobs = new FolderBlobStore(Tasks, files);
        var catalog = new TaskCatalog(
            repository,
            blobs,
            new(Path.Combine(_data.Path, "models"), chosen: null, files),
            new() { MaxBatchTokens = 64, MaxQueuedRequests = 8, MaxQueuedTokens = 512 },
            new ModelDevices(new ModelDevice("cpu", _lanes, new("cpu", bytes: null))),
            TimeProvider.System,
            NullLogger<TaskCatalog>.Instance);
        await catalog.StartAsync(CancellationToken.None);
        return new(repository, blobs, catalog);
    }

    private sealed record Opened(FileTaskRepository Repository, IBlobStore Blobs, TaskCatalog Catalog) : IDisposable
    {
        public void Dispose()
        {
            Catalog.Dispose();
            Repository.Dispose();
        }
    }
}
