using Microsoft.Extensions.Logging.Abstractions;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Jobs.Workers;
using Serving.Storage;
using Serving.Testing;
using Serving.Testing.PowerCut;

namespace Serving.Jobs.Tests;

public sealed class FileJobRepositoryTests : JobRepositoryTests
{
    /// <summary>Files as the first release wrote them.</summary>
    private static readonly string Former = Path.Combine(AppContext.BaseDirectory, "release-0.1");

    private readonly TemporaryFolder _folder = new();

    private string Root => _folder.At("jobs");

    protected override IJobRepository Open() => Open(Root, DiskFileSystem.Instance);

    public override void Dispose()
    {
        _folder.Dispose();
        base.Dispose();
    }

    [Fact]
    public async Task Job_OfAFormerRelease_IsRead()
    {
        const string id = "20260102-030405678-abcdef";
        Copy(Path.Combine(Former, id), Path.Combine(Root, id));
        var jobs = Open();
        var job = await jobs.GetAsync(id);
        Assert.Equal((JobState.Succeeded, "abc", 0.5), (job.State, job.TaskVersion, job.ReadPublication()!.MinMetric));
        Assert.Equal(
            new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddTicks(6_789_012), job.Submitted);
        Assert.Equal(new(7, 7, 0.25, 0.02, double.PositiveInfinity, SecondsLeft: 0), job.Progress);
        Assert.Equal((0.9375, double.NaN), (job.Metrics["accuracy"], job.Metrics["loss"]));
        Assert.Equal([new("evaluation.json", 1234)], job.Artifacts);
        var events = await EventsAsync(jobs, id, int.MaxValue);
        Assert.Equal([1, 2, 3, 4, 5], events.Select(happened => happened.Number));
        Assert.Equal(new(7, 7, 0.25, 0.02, 100.5, SecondsLeft: null), events[2].Progress);
        Assert.Equal((7, true), (events[3].Evaluation!.Step, events[3].Evaluation!.Best));
        Assert.Equal((JobState.Succeeded, "Done."), (events[4].State, events[4].Message));
    }

    [Fact]
    public void Order_OfAFormerRelease_IsRead()
    {
        var order = WorkOrder.Read(Path.Combine(Former, "order.json"));
        Assert.Equal(("j", "/jobs/j", "{}", 2), (order.Job, order.Folder, order.Recipe, order.Threads));
        Assert.Equal(
            ("/models/mini", "/d", "/t/1"),
            (order.Models["mini"], order.Datasets["d"], order.Tasks[WorkOrder.TaskKey("t", "1")]));
    }

    [Fact]
    public async Task Folder_ThatIsNoJob_IsLeftOut()
    {
        var id = (await CreateAsync(Open())).Id;
        WriteJob("damaged", "{");
        WriteJob("empty", "null");
        Assert.Equal([id], (await Open().ListAsync("", 10)).Select(job => job.Id));
    }

    [Fact]
    public async Task Room_ThatIsTaken_RefusesAnother()
    {
        var full = new FileJobRepository(
            Root, maxBytes: 10, DiskFileSystem.Instance, Time, NullLogger<FileJobRepository>.Instance);
        await CreateAsync(full);
        var error = await Assert.ThrowsAsync<DomainException>(() => CreateAsync(full));
        Assert.Matches(
            @"^The jobs take \d+ bytes; 10 are allowed \(Server:MaxJobsBytes\)\. Delete some that are over\.$",
            error.Message);
    }

    /// <summary>An end that can't be written down is an end all the same, for as long as the server runs.</summary>
    [Fact]
    public async Task Failure_ThatCantBeWritten_EndsTheJob()
    {
        var jobs = Open();
        var id = (await CreateAsync(jobs)).Id;
        var lease = (await jobs.TakeNextAsync())!;
        Directory.Delete(jobs.Folder(id), recursive: true);
        File.WriteAllText(jobs.Folder(id), "");
        await jobs.EndAsync(lease, JobState.Failed, "It failed.");
        var job = await jobs.GetAsync(id);
        Assert.Equal(JobState.Failed, job.State);
        Assert.StartsWith("It failed. This could not be written down: ", job.Message, StringComparison.Ordinal);
    }

    /// <summary>
    /// Whenever power goes, the log has the events that somebody may have seen, and the job's last state is its last
    /// event's.
    /// </summary>
    [Fact]
    public async Task Events_WhenPowerGoes_AreThoseThatWereSeen()
    {
        Directory.CreateDirectory(Root);
        var power = new RecordingFileSystem(Root, _folder.At("before"));
        var jobs = Open(Root, power);
        var id = (await CreateAsync(jobs)).Id;
        var lease = (await jobs.TakeNextAsync())!;
        await jobs.AddEventAsync(lease, new() { Progress = new(1, 2, 0.5, 0.1, 100, SecondsLeft: 1) });
        await jobs.EndAsync(lease, JobState.Succeeded, "Done.");

        var counts = new HashSet<long>();
        power.Replay(_folder.At("cut"), isDone =>
        {
            var left = Open(_folder.At("cut"), DiskFileSystem.Instance);
            if (left.ListAsync("", 10).GetAwaiter().GetResult() is not [var job])
            {
                Assert.False(isDone);
                return;
            }

            var count = left.CountEventsAsync(job.Id).GetAwaiter().GetResult();
            counts.Add(count);
            var events = EventsAsync(left, job.Id, (int)count).GetAwaiter().GetResult();
            Assert.Equal(Enumerable.Range(1, (int)count).Select(i => (long)i), events.Select(one => one.Number));
            Assert.Equal(job.State, events.Last(one => one.State is not null).State);
            Assert.True(!isDone || (job.State == JobState.Succeeded && count == 4));
        });
        Assert.Equal([1, 2, 3, 4], counts.Order());
    }

    [Fact]
    public async Task Event_ThatWasAdded_SurvivesALossOfPower()
    {
        Directory.CreateDirectory(Root);
        var before = Open();
        var id = (await CreateAsync(before)).Id;
        var power = new RecordingFileSystem(Root, _folder.At("before"));
        var jobs = Open(Root, power);
        var lease = (await jobs.TakeNextAsync())!;
        await jobs.AddEventAsync(lease, new() { Progress = new(1, 2, 0.5, 0.1, 100, SecondsLeft: 1) });
        power.Replay(_folder.At("cut"), isDone =>
        {
            var left = Open(_folder.At("cut"), DiskFileSystem.Instance);
            Assert.True(!isDone || left.CountEventsAsync(id).GetAwaiter().GetResult() == 3);
        });
    }

    private FileJobRepository Open(string root, IFileSystem files) =>
        new(root, long.MaxValue, files, Time, NullLogger<FileJobRepository>.Instance);

    private void WriteJob(string id, string job)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Root, id)).FullName;
        File.WriteAllText(Path.Combine(folder, "job.json"), job);
        File.WriteAllText(Path.Combine(folder, "recipe.json"), Recipe);
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }
}
