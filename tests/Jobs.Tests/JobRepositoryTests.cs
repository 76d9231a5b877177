using System.Text.Json;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Storage;
using Serving.Testing;

namespace Serving.Jobs.Tests;

/// <summary>What every repository of jobs does.</summary>
public abstract class JobRepositoryTests : IDisposable
{
    protected const string Recipe = """{"recipe": "memory"}""";

    private protected TestTimeProvider Time { get; } = new();

    /// <summary>A repository over what was stored before; its server is another than those of former ones.</summary>
    protected abstract IJobRepository Open();

    public virtual void Dispose() => GC.SuppressFinalize(this);

    [Fact]
    public async Task Job_ThatWasCreated_IsQueued_ForOtherServersToo()
    {
        var created = await CreateAsync(Open());
        var jobs = Open();
        var job = await jobs.GetAsync(created.Id);
        Assert.Equal((JobState.Queued, Time.GetUtcNow()), (job.State, job.Submitted));
        Assert.Equal("letters", job.ReadPublication()!.Task);
        Assert.True(JsonElement.DeepEquals(Spec(), job.Spec));
        Assert.Equal(Recipe, await jobs.GetRecipeAsync(job.Id));
        var first = (await EventsAsync(jobs, job.Id, 1)).Single();
        Assert.Equal((1, JobState.Queued), (first.Number, first.State));
    }

    [Fact]
    public async Task Jobs_AreTakenInTheirOrder_AndListedTheLatestFirst()
    {
        var jobs = Open();
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add((await CreateAsync(jobs)).Id);
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(ids.AsEnumerable().Reverse(), (await jobs.ListAsync("", 10)).Select(job => job.Id));
        Assert.Equal([ids[1]], (await jobs.ListAsync(ids[2], 1)).Select(job => job.Id));

        var lease = await jobs.TakeNextAsync();
        Assert.Equal(ids[0], lease!.Job);
        var job = await jobs.GetAsync(ids[0]);
        Assert.Equal((JobState.Running, Time.GetUtcNow(), null), (job.State, job.Started, job.Ended));
        Assert.Equal(ids[1], (await jobs.TakeNextAsync())!.Job);
        Assert.Equal(ids[2], (await jobs.TakeNextAsync())!.Job);
        Assert.Null(await jobs.TakeNextAsync());
    }

    [Fact]
    public async Task Job_ThatEnds_KeepsItsResults_AndItsWatchersEnd()
    {
        var jobs = Open();
        var id = (await CreateAsync(jobs)).Id;
        var watching = EventsAsync(jobs, id, int.MaxValue);
        var lease = (await jobs.TakeNextAsync())!;
        await jobs.AddEventAsync(lease, new() { Progress = new(7, 9, 0.5, 0.1, 100, SecondsLeft: 2) });
        Assert.Equal(7, (await jobs.GetAsync(id)).Progress!.Step);
        await jobs.EndAsync(lease, JobState.Succeeded, "The alias was not moved.", record => record with
        {
            TaskVersion = "v",
            Metrics = new Dictionary<string, double> { ["accuracy"] = 1 },
            Artifacts = [new("report.json", 12)]
        });

        var events = await watching.Within();
        Assert.Equal([1, 2, 3, 4], events.Select(happened => happened.Number));
        Assert.Equal(
            [JobState.Queued, JobState.Running, null, JobState.Succeeded], events.Select(happened => happened.State));
        Assert.Equal(4, await jobs.CountEventsAsync(id));
        var job = await Open().GetAsync(id);
        Assert.Equal(
            (JobState.Succeeded, "The alias was not moved.", "v", Time.GetUtcNow()),
            (job.State, job.Message, job.TaskVersion, job.Ended));
        Assert.Equal((1.0, new JobArtifact("report.json", 12)), (job.Metrics["accuracy"], job.Artifacts.Single()));
    }

    [Fact]
    public async Task Lease_ThatIsNotTheJobs_ChangesNothing()
    {
        var jobs = Open();
        var id = (await CreateAsync(jobs)).Id;
        var lease = (await jobs.TakeNextAsync())!;
        var lost = lease with { Token = lease.Token + 1 };
        Func<Task>[] changes =
        [
            () => jobs.EndAsync(lost, JobState.Succeeded),
            () => jobs.EndAsync(lost, JobState.Failed, "mine"),
            () => jobs.AddEventAsync(lost, new() { Progress = new(1, 1, 0, 0, 0, SecondsLeft: null) })
        ];
        foreach (var change in changes)
            Assert.Equal(ErrorKind.Conflict, (await Assert.ThrowsAsync<DomainException>(change)).Kind);
        Assert.Equal((JobState.Running, 2), ((await jobs.GetAsync(id)).State, await jobs.CountEventsAsync(id)));

        await jobs.EndAsync(lease, JobState.Cancelled);
        var late = await Assert.ThrowsAsync<DomainException>(() => jobs.EndAsync(lease, JobState.Failed, "late"));
        Assert.Equal(ErrorKind.Conflict, late.Kind); // The lease ended with the job.
    }

    [Fact]
    public async Task Job_WhoseServerIsGone_IsQueuedAgain_AndOneThatRunsIsNot()
    {
        var id = (await CreateAsync(Open())).Id;
        var gone = Open();
        await gone.TakeNextAsync();
        var jobs = Open();
        await jobs.QueueAbandonedAsync("It goes on.");
        var job = await jobs.GetAsync(id);
        Assert.Equal((JobState.Queued, "It goes on."), (job.State, job.Message));
        await jobs.TakeNextAsync();
        await jobs.QueueAbandonedAsync("Again.");
        Assert.Equal(JobState.Running, (await jobs.GetAsync(id)).State);
    }

    [Fact]
    public async Task State_OfAJobThatDoesNotRun_ChangesFromThoseAskedForOnly()
    {
        var jobs = Open();
        var id = (await CreateAsync(jobs)).Id;
        Assert.False(await jobs.TryEnterAsync(id, JobState.Queued, JobState.Failed, JobState.Cancelled));
        Assert.True(await jobs.TryEnterAsync(id, JobState.Cancelled, JobState.Queued));
        Assert.Null(await jobs.TakeNextAsync());
        Assert.True(await jobs.TryEnterAsync(id, JobState.Queued, JobState.Failed, JobState.Cancelled));
        Assert.Null((await jobs.GetAsync(id)).Ended);
        var lease = await jobs.TakeNextAsync();
        Assert.Equal(id, lease!.Job);
        Assert.False(await jobs.TryEnterAsync(id, JobState.Cancelled, JobState.Running));
    }

    [Fact]
    public async Task Job_IsDeleted_OnceItIsOver()
    {
        var jobs = Open();
        var id = (await CreateAsync(jobs)).Id;
        Assert.False(await jobs.TryDeleteAsync(id));
        var lease = (await jobs.TakeNextAsync())!;
        Assert.False(await jobs.TryDeleteAsync(id));
        await jobs.EndAsync(lease, JobState.Failed, "No memory.");
        Assert.Equal("No memory.", (await jobs.GetAsync(id)).Message);
        Assert.True(await jobs.TryDeleteAsync(id));
        var error = await Assert.ThrowsAsync<DomainException>(() => jobs.GetAsync(id));
        Assert.Equal((ErrorKind.NotFound, "job", id), (error.Kind, error.Resource, error.Subject));
        Assert.Empty(await Open().ListAsync("", 10));
    }

    [Fact]
    public async Task Watch_FromAnyCursor_BeginsBehindIt()
    {
        const int count = 200;
        var jobs = Open();
        var id = (await CreateAsync(jobs)).Id;
        var lease = (await jobs.TakeNextAsync())!;
        for (var step = 3; step <= count; step++)
            await jobs.AddEventAsync(lease, new() { Progress = new(step, count, 0, 0, 0, SecondsLeft: null) });
        foreach (var opened in new[] { jobs, Open() })
        {
            for (var cursor = 0; cursor < count; cursor++)
            {
                var first = (await EventsAsync(opened, id, 1, cursor)).Single();
                Assert.Equal(cursor + 1, first.Number);
                Assert.True(first.Number < 3 || first.Progress!.Step == first.Number);
            }
        }

        var coming = EventsAsync(jobs, id, 1, count);
        Assert.False(coming.IsCompleted);
        await jobs.EndAsync(lease, JobState.Cancelled);
        Assert.Equal(JobState.Cancelled, (await coming.Within()).Single().State);
    }

    protected static Task<JobRecord> CreateAsync(IJobRepository jobs) => jobs.CreateAsync(Spec(), Recipe);

    protected static async Task<List<JobEvent>> EventsAsync(
        IJobRepository jobs, string id, int count, long cursor = 0)
    {
        var events = new List<JobEvent>();
        await foreach (var happened in jobs.WatchAsync(id, cursor, CancellationToken.None))
        {
            events.Add(happened);
            if (events.Count == count)
                break;
        }

        return events;
    }

    private static JsonElement Spec() => JsonSerializer.Deserialize<JsonElement>(
        """{"memory": {"task": {"task": "t"}}, "publish": {"task": "letters"}}""");
}
