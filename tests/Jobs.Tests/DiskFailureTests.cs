using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Storage;
using Serving.Testing;
using Serving.Testing.DiskFailures;

namespace Serving.Jobs.Tests;

/// <summary>A disk that takes no more, or no longer lets itself be written, at each moment of a job's life.</summary>
public sealed class DiskFailureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Root => _folder.At("jobs");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Job_WhateverIsRefused_IsInTheStateBeforeOrAfter(Refusal refusal)
    {
        var ends = new HashSet<string>();
        for (var allowed = 0; ; allowed++)
        {
            Directory.CreateDirectory(Root);
            var disk = new FailingFileSystem(refusal, allowed);
            var jobs = Open(disk);
            var seen = await LiveAsync(jobs);
            var left = Open(DiskFileSystem.Instance);
            ends.Add(await VerifyAsync(left, seen));
            Directory.Delete(Root, recursive: true);
            if (!disk.HasRefused)
                break;
        }

        Assert.Superset(new HashSet<string> { "none", "Queued", "Running", "Succeeded" }, ends);
    }

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Start_ThatCantWrite_KeepsAllJobs_AndGoesOnWithThem(Refusal refusal)
    {
        var jobs = Open(DiskFileSystem.Instance);
        var abandoned = await CreateAsync(jobs);
        await jobs.TakeNextAsync();
        var waiting = await CreateAsync(jobs);
        var disk = new FailingFileSystem(refusal, allowed: 0);
        var started = Open(disk);
        await started.QueueAbandonedAsync("It goes on.");
        Assert.Equal(
            [JobState.Queued, JobState.Queued],
            [(await started.GetAsync(abandoned)).State, (await started.GetAsync(waiting)).State]);

        Assert.Null(await started.TakeNextAsync()); // Their beginning can't be written: they fail, and say why.
        foreach (var id in new[] { abandoned, waiting })
        {
            var job = await started.GetAsync(id);
            Assert.Equal(JobState.Failed, job.State);
            Assert.StartsWith("It can't begin. ", job.Message, StringComparison.Ordinal);
        }

        disk.IsMended = true;
        Assert.True(await started.TryEnterAsync(abandoned, JobState.Queued, JobState.Failed));
        Assert.Equal(abandoned, (await started.TakeNextAsync())!.Job);
    }

    /// <summary>What fills the disk goes before the end is written.</summary>
    [Theory]
    [InlineData(JobState.Failed)]
    [InlineData(JobState.Cancelled)]
    public async Task End_OfAJob_RemovesWhatWasHalfWritten_AndKeepsCheckpoints(JobState end)
    {
        var jobs = Open(DiskFileSystem.Instance);
        var id = await CreateAsync(jobs);
        var lease = (await jobs.TakeNextAsync())!;
        WriteWork(jobs.Folder(id));
        await jobs.EndAsync(lease, end, "Enough.");
        Assert.Equal(
            ["checkpoints", "checkpoints/checkpoint-5", "events.jsonl", "job.json", "recipe.json"],
            Entries(jobs.Folder(id)));
    }

    [Fact]
    public async Task Start_RemovesWhatWasHalfWritten_UnlessAWorkerIsAtIt()
    {
        var jobs = Open(DiskFileSystem.Instance);
        var id = await CreateAsync(jobs);
        await jobs.TakeNextAsync();
        WriteWork(jobs.Folder(id));
        using (new FileStream(
            Path.Combine(jobs.Folder(id), JobLeftovers.LockFile), FileMode.Create, FileAccess.Write, FileShare.None))
        {
            Open(DiskFileSystem.Instance);
            Assert.Contains("checkpoints/.writing-6", Entries(jobs.Folder(id)));
        }

        Open(DiskFileSystem.Instance);
        Assert.DoesNotContain(Entries(jobs.Folder(id)), entry => entry.Contains(".writing", StringComparison.Ordinal));
        Assert.Contains("checkpoints/checkpoint-5", Entries(jobs.Folder(id)));
    }

    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Event_ThatIsRefused_LeavesNothing_AndTheNextOneBeginsALine(Refusal refusal)
    {
        var disk = new FailingFileSystem(refusal, allowed: 0) { IsMended = true };
        var jobs = Open(disk);
        var id = await CreateAsync(jobs);
        var lease = (await jobs.TakeNextAsync())!;
        disk.IsMended = false;
        var refused = await Record.ExceptionAsync(() => jobs.AddEventAsync(lease, Step(1)));
        Assert.True(DiskFailure.Is(refused!));
        var unread = Open(disk); // What was half written can't be cut off yet.
        Assert.Equal(2, await unread.CountEventsAsync(id));
        disk.IsMended = true;
        await jobs.AddEventAsync(lease, Step(2));
        await jobs.EndAsync(lease, JobState.Cancelled);

        var events = new List<JobEvent>();
        await foreach (var happened in Open(DiskFileSystem.Instance).WatchAsync(id, 0, CancellationToken.None))
            events.Add(happened);
        Assert.Equal([1, 2, 3, 4], events.Select(happened => happened.Number));
        Assert.Equal(2, events[2].Progress!.Step);

        static JobEvent Step(long step) => new() { Progress = new(step, 2, 0.5, 0.1, 100, SecondsLeft: 1) };
    }

    private static async Task<(string? Id, long Events)> LiveAsync(FileJobRepository jobs)
    {
        string? id = null;
        try
        {
            id = await CreateAsync(jobs);
            if (await jobs.TakeNextAsync() is { } lease)
            {
                await jobs.AddEventAsync(lease, new() { Progress = new(1, 2, 0.5, 0.1, 100, SecondsLeft: 1) });
                WriteWork(jobs.Folder(id));
                await jobs.EndAsync(lease, JobState.Succeeded, "Done.");
            }
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            // Whoever asked for it is told.
        }

        if (id is null)
        {
            Assert.Empty(await jobs.ListAsync("", 10));
            return (null, 0);
        }

        return (id, await jobs.CountEventsAsync(id));
    }

    private async Task<string> VerifyAsync(FileJobRepository left, (string? Id, long Events) seen)
    {
        Assert.DoesNotContain(
            Directory.GetFileSystemEntries(Root, ".*", SearchOption.AllDirectories),
            entry => Path.GetFileName(entry) != JobLeftovers.LockFile);
        if (seen.Id is null)
        {
            Assert.Empty(await left.ListAsync("", 10));
            return "none";
        }

        var job = await left.GetAsync(seen.Id);
        var events = new List<JobEvent>();
        var count = await left.CountEventsAsync(seen.Id);
        Assert.InRange(count, seen.Events, seen.Events + 1); // The start tells of a state that the log missed.
        await foreach (var happened in left.WatchAsync(seen.Id, 0, CancellationToken.None))
        {
            events.Add(happened);
            if (events.Count == count)
                break;
        }

        Assert.Equal(Enumerable.Range(1, (int)count).Select(i => (long)i), events.Select(one => one.Number));
        Assert.Equal(job.State, events.Last(one => one.State is not null).State);
        return job.State.ToString();
    }

    private static async Task<string> CreateAsync(FileJobRepository jobs) =>
        (await jobs.CreateAsync(JsonSerializer.Deserialize<JsonElement>("{}"), "{}")).Id;

    /// <summary>A checkpoint, half of the next one, and half of a result.</summary>
    private static void WriteWork(string folder)
    {
        foreach (var path in new[] { "checkpoints/checkpoint-5", "checkpoints/.writing-6", "artifacts/model" })
            Directory.CreateDirectory(Path.Combine(folder, path));
        File.WriteAllText(Path.Combine(folder, ".writing-1"), "{");
    }

    private static IEnumerable<string> Entries(string folder) =>
        Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories)
            .Select(entry => Path.GetRelativePath(folder, entry))
            .Order(StringComparer.Ordinal);

    private FileJobRepository Open(IFileSystem files) => new(
        Root, long.MaxValue, files, TimeProvider.System, NullLogger<FileJobRepository>.Instance);
}
