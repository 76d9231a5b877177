using Serving.Catalog.Stored;
using Serving.Storage;
using Serving.Testing;

namespace Serving.Catalog.Tests;

/// <summary>What every repository of tasks does.</summary>
public abstract class TaskRepositoryTests : IDisposable
{
    private protected DataFolder Data { get; } = new();

    /// <summary>The repository, and the blob store beside it, over what was stored before.</summary>
    protected abstract (ITaskRepository Repository, IBlobStore Blobs) Open();

    /// <summary>Lets go of what was opened.</summary>
    protected abstract void Close();

    public void Dispose()
    {
        Close();
        Data.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Version_ThatWasAdded_IsReadWithItsManifest()
    {
        var version = await ImportAsync(Open(), "t", seed: 1);
        Close();
        var task = (await ReadAllAsync()).Single();
        Assert.Equal(("t", version), (task.Name, task.Versions.Single().Key));
        Assert.Equal(["label-0", "label-1"], task.Versions[version].Manifest.Labels);
        Assert.True(task.Versions[version].FileBytes > 0);
        Assert.Equal((0, "", null), (task.Aliases.Aliases.Count, task.Aliases.Revision, task.Problem));
    }

    [Fact]
    public async Task Aliases_AreReplaced_EachTimeWithARevisionOfTheirOwn()
    {
        var opened = Open();
        var version = await ImportAsync(opened, "t", seed: 1);
        var first = await opened.Repository.ReplaceAliasesAsync("t", With(TaskAliases.None, "production", version));
        var second = await opened.Repository.ReplaceAliasesAsync("t", With(first, "next", version));
        Assert.Equal(3, new[] { "", first.Revision, second.Revision }.Distinct().Count());
        Close();
        var read = (await ReadAllAsync()).Single().Aliases;
        Assert.Equal(second.Revision, read.Revision);
        Assert.Equal(["next", "production"], read.Aliases.Keys);
        Assert.Equal(version, read.Aliases["production"].Version);
    }

    [Fact]
    public async Task Aliases_ChangedMeanwhile_AreKept()
    {
        var opened = Open();
        var version = await ImportAsync(opened, "t", seed: 1);
        var first = await opened.Repository.ReplaceAliasesAsync("t", With(TaskAliases.None, "production", version));
        foreach (var stale in new[] { TaskAliases.None, first with { Revision = "another" } })
        {
            var error = await Assert.ThrowsAsync<DomainException>(
                () => opened.Repository.ReplaceAliasesAsync("t", With(stale, "mine", version)));
            Assert.Equal((ErrorKind.Conflict, "tasks/t"), (error.Kind, error.Subject));
        }

        var task = await opened.Repository.ReadAsync("t", known: null);
        Assert.Equal((first.Revision, "production"), (task.Aliases.Revision, task.Aliases.Aliases.Single().Key));
    }

    [Fact]
    public async Task Aliases_OfManyAtATime_LoseNobodysChange()
    {
        var opened = Open();
        var version = await ImportAsync(opened, "t", seed: 1);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => AddAsync($"alias-{i}"))));
        Assert.Equal(8, (await opened.Repository.ReadAsync("t", known: null)).Aliases.Aliases.Count);

        async Task AddAsync(string alias)
        {
            while (true)
            {
                var task = await opened.Repository.ReadAsync("t", known: null);
                try
                {
                    await opened.Repository.ReplaceAliasesAsync("t", With(task.Aliases, alias, version));
                    return;
                }
                catch (DomainException error) when (error.Kind == ErrorKind.Conflict)
                {
                    // Somebody else was faster; on top of that, then.
                }
            }
        }
    }

    [Fact]
    public async Task Version_ThatWasRemoved_IsNotRead_AndTheOthersAre()
    {
        var opened = Open();
        var gone = await ImportAsync(opened, "t", seed: 1);
        var kept = await ImportAsync(opened, "t", seed: 2);
        await opened.Repository.RemoveVersionAsync("t", gone);
        await opened.Blobs.DeleteAsync(ITaskRepository.Key("t", gone));
        Assert.Equal([kept], (await opened.Repository.ReadAsync("t", known: null)).Versions.Keys);
        await opened.Repository.RemoveVersionAsync("t", kept);
        Assert.Empty((await opened.Repository.ReadAsync("t", known: null)).Versions);
        Close();
        Assert.Empty(await ReadAllAsync());
    }

    [Fact]
    public async Task Task_ThatIsNotThere_IsEmpty()
    {
        var task = await Open().Repository.ReadAsync("t", known: null);
        Assert.Equal(("t", 0, 0), (task.Name, task.Versions.Count, task.Aliases.Aliases.Count));
    }

    private protected async Task<string> ImportAsync(
        (ITaskRepository Repository, IBlobStore Blobs) to, string task, int seed)
    {
        var folder = Data.WriteVersion(seed);
        using var upload = new VersionUpload(to.Blobs.Begin(), task, Path.GetFileName(folder), long.MaxValue);
        foreach (var file in Directory.GetFiles(folder))
            await upload.AppendAsync(Path.GetFileName(file), await File.ReadAllBytesAsync(file), default);
        var version = upload.Finish();
        await to.Blobs.CommitAsync(upload.Draft, ITaskRepository.Key(task, version));
        return (await to.Repository.AddVersionAsync(task, version)).Version;
    }

    private protected static TaskAliases With(TaskAliases aliases, string name, string version) => aliases with
    {
        Aliases = aliases.Aliases.SetItem(name, AliasTarget.To(version))
    };

    private Task<IReadOnlyList<StoredTask>> ReadAllAsync() =>
        Open().Repository.ReadAsync(new Dictionary<string, StoredTask>());
}
