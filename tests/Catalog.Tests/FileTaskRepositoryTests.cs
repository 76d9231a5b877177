using Microsoft.Extensions.Logging.Abstractions;
using Serving.Catalog.Stored;
using Serving.Models.Versions;
using Serving.Storage;
using Serving.Testing.PowerCut;

namespace Serving.Catalog.Tests;

public sealed class FileTaskRepositoryTests : TaskRepositoryTests
{
    private FileTaskRepository? _open;

    private string Root => Path.Combine(Data.Path, "tasks");

    protected override (ITaskRepository Repository, IBlobStore Blobs) Open() => Open(Root, DiskFileSystem.Instance);

    protected override void Close() => _open?.Dispose();

    [Fact]
    public void Root_OfAnotherServer_IsRefused()
    {
        Open();
        using var first = _open;
        var error = Assert.Throws<DomainException>(() => Open());
        Assert.Equal(
            $"{Root} is used by another server; give each server a data root of its own.", error.Message);
    }

    [Theory]
    [InlineData("{", "is no list of aliases")]
    [InlineData("""{"format": 2, "aliases": {}}""", "has format 2; this version reads format 1.")]
    [InlineData(
        """{"format": 1, "aliases": {"a": {"version": "x", "canary": null, "shadow": null, "previous": []}}}""",
        "'a' is not sound")]
    public async Task Aliases_ThatCantBeRead_AreAProblem_AndAreNotReplaced(string json, string problem)
    {
        var opened = Open();
        var version = await ImportAsync(opened, "t", seed: 1);
        await File.WriteAllTextAsync(Path.Combine(Root, "t", "aliases.json"), json);
        var task = await opened.Repository.ReadAsync("t", known: null);
        Assert.Contains(problem, task.Problem, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DomainException>(
            () => opened.Repository.ReplaceAliasesAsync("t", With(TaskAliases.None, "production", version)));
    }

    [Fact]
    public async Task Aliases_OfAFormerRelease_AreRead()
    {
        var opened = Open();
        var version = await ImportAsync(opened, "t", seed: 1);
        await File.WriteAllTextAsync(
            Path.Combine(Root, "t", "aliases.json"),
            $$"""
            {
              "format": 1,
              "aliases": {
                "production": {
                  "version": "{{version}}",
                  "canary": { "version": "{{version}}", "share": 0.1 },
                  "shadow": null,
                  "previous": ["{{version}}"]
                }
              }
            }
            """);
        var target = (await opened.Repository.ReadAsync("t", known: null)).Aliases.Aliases["production"];
        Assert.Equal((version, 0.1, null), (target.Version, target.Canary!.Share, target.Shadow));
    }

    /// <summary>A version is there as a whole or not at all, and no alias points at one that is not.</summary>
    [Fact]
    public async Task Import_WhenPowerGoes_IsDoneOrNot()
    {
        Directory.CreateDirectory(Root);
        var power = new RecordingFileSystem(Root, Data.At("before"));
        var opened = Open(Root, power);
        var version = await ImportAsync(opened, "t", seed: 1);
        await opened.Repository.ReplaceAliasesAsync("t", With(TaskAliases.None, "production", version));

        Replay(power, (task, isDone) =>
        {
            Assert.True(!isDone || task.Aliases.Aliases.Count == 1);
            Assert.All(task.Aliases.Aliases, alias => Assert.Contains(alias.Value.Version, task.Versions.Keys));
            foreach (var stored in task.Versions.Keys)
                VersionFiles.Open(Data.At(Path.Combine("cut", "t", stored)), version).Dispose();
        });
    }

    [Fact]
    public async Task AliasChange_WhenPowerGoes_IsDoneOrNot()
    {
        var opened = Open();
        var versions = new[] { await ImportAsync(opened, "t", seed: 1), await ImportAsync(opened, "t", seed: 2) };
        var before = await opened.Repository.ReplaceAliasesAsync(
            "t", With(TaskAliases.None, "production", versions[0]));
        Close();
        File.Delete(Path.Combine(Root, ".lock"));
        var power = new RecordingFileSystem(Root, Data.At("before"));
        await Open(Root, power).Repository.ReplaceAliasesAsync("t", With(before, "production", versions[1]));

        var found = new HashSet<string>();
        Replay(power, (task, isDone) =>
        {
            Assert.Equal((null, 2), (task.Problem, task.Versions.Count));
            found.Add(task.Aliases.Aliases["production"].Version);
            Assert.True(!isDone || task.Aliases.Aliases["production"].Version == versions[1]);
        });
        Assert.Equal(versions.Order(), found.Order());
    }

    [Fact]
    public async Task Removal_WhenPowerGoes_IsDoneOrNot()
    {
        var version = await ImportAsync(Open(), "t", seed: 1);
        Close();
        File.Delete(Path.Combine(Root, ".lock"));
        var power = new RecordingFileSystem(Root, Data.At("before"));
        await Open(Root, power).Repository.RemoveVersionAsync("t", version);

        Replay(power, (task, isDone) =>
        {
            Assert.False(isDone && task.Versions.Count > 0);
            foreach (var stored in task.Versions.Keys)
                VersionFiles.Open(Data.At(Path.Combine("cut", "t", stored)), version).Dispose();
        });
    }

    private (ITaskRepository Repository, IBlobStore Blobs) Open(string root, IFileSystem files) =>
        (_open = new(root, files, NullLogger<FileTaskRepository>.Instance), new FolderBlobStore(root, files));

    /// <summary>Sees what a server that starts after a loss of power reads of the task.</summary>
    private void Replay(RecordingFileSystem power, Action<StoredTask, bool> check)
    {
        Close();
        var cut = Data.At("cut");
        power.Replay(cut, isDone =>
        {
            using var repository = new FileTaskRepository(
                cut, DiskFileSystem.Instance, NullLogger<FileTaskRepository>.Instance);
            new FolderBlobStore(cut, DiskFileSystem.Instance).CleanUp();
            check(repository.ReadAsync("t", known: null).GetAwaiter().GetResult(), isDone);
            Assert.DoesNotContain(
                Directory.GetFileSystemEntries(cut).Select(path => Path.GetFileName(path)),
                name => name[0] == '.' && name != ".lock");
        });
    }
}
