using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging.Abstractions;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Jobs.Workers;
using Serving.Storage;
using Serving.Testing;
using Serving.Testing.DiskFailures;

namespace Serving.Jobs.Tests;

/// <summary>Jobs by workers that a test leads.</summary>
public sealed class JobRunnerTests : IDisposable
{
    private const long MemoryBytes = 100;

    private readonly TemporaryFolder _folder = new();
    private readonly FailingFileSystem _disk = new(Refusal.Room, allowed: 0) { IsMended = true };
    private readonly Recipes _recipes = new();
    private readonly Launcher _launcher = new();
    private readonly FileJobRepository _jobs;
    private readonly JobRunner _runner;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public JobRunnerTests()
    {
        _jobs = new(
            _folder.At("jobs"), long.MaxValue, _disk, TimeProvider.System,
            NullLogger<FileJobRepository>.Instance);
        _runner = new(
            _jobs, _recipes, _launcher, publisher: null!,
            new(static name => name, static name => name == "cpu" ? null : MemoryBytes),
            NullLogger<JobRunner>.Instance);
        _running = _runner.RunAsync(Task.CompletedTask, _stop.Token);
    }

    public void Dispose()
    {
        _stop.Cancel();
        try
        {
            _running.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // As asked.
        }

        _runner.Dispose();
        _stop.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Job_WhoseWorkerIsDone_HasItsResults()
    {
        var id = await SubmitAsync();
        var worker = await _launcher.NextAsync();
        Assert.Equal(
            (id, _jobs.Folder(id), "{}", "/models/mini", "/d", "/t/1", 3),
            (worker.Order.Job, worker.Order.Folder, worker.Order.Recipe, worker.Order.Models["mini"],
                worker.Order.Datasets["d"], worker.Order.Tasks["t/1"], worker.Order.Threads));
        Directory.CreateDirectory(Path.Combine(_jobs.Folder(id), "artifacts"));
        Directory.CreateDirectory(Path.Combine(_jobs.Folder(id), "checkpoints"));
        await File.WriteAllTextAsync(Path.Combine(_jobs.Folder(id), "artifacts", "a.json"), "{}");
        worker.Say(new WorkerProgress(1, 2, 0.5, 0.1, 100, SecondsLeft: 1));
        worker.Say(new WorkerEvaluation(1, new Dictionary<string, double> { ["accuracy"] = 1 }, IsBest: true));
        worker.End(new WorkerDone(new Dictionary<string, double> { ["accuracy"] = 1 }, TaskVersion: null, Model: null));
        var job = await EndAsync(id);
        Assert.Equal(
            (JobState.Succeeded, "", 1.0, "a.json", 1),
            (job.State, job.Message, job.Metrics["accuracy"], job.Artifacts.Single().Name, job.Progress!.Step));
        Assert.Equal(5, await _jobs.CountEventsAsync(id)); // Queued, running, progress, evaluation, succeeded.
        await Eventually.TrueAsync(
            () => !Directory.Exists(Path.Combine(_jobs.Folder(id), "checkpoints")), "checkpoints are deleted");
    }

    [Fact]
    public async Task Worker_ThatDies_IsStartedAgain_UntilItComesNoFurther()
    {
        var id = await SubmitAsync();
        for (var step = 1; step <= 2; step++)
        {
            var worker = await _launcher.NextAsync();
            worker.Say(new WorkerProgress(step, 9, 0, 0, 0, SecondsLeft: null));
            worker.End();
        }

        for (var attempt = 2; attempt <= 5; attempt++)
            (await _launcher.NextAsync()).End();
        var job = await EndAsync(id);
        Assert.Equal(
            (JobState.Failed, "Its process ended 5 times at step 2 (it died); it may lack memory."),
            (job.State, job.Message));
    }

    [Fact]
    public async Task Job_ThatIsCancelled_EndsSo_HoweverItsWorkerEnds()
    {
        var polite = await SubmitAsync();
        var worker = await _launcher.NextAsync();
        await _runner.CancelAsync(polite);
        await worker.Cancelled.Within();
        worker.End(new WorkerCancelled());
        Assert.Equal(JobState.Cancelled, (await EndAsync(polite)).State);

        var dead = await SubmitAsync();
        worker = await _launcher.NextAsync();
        await _runner.CancelAsync(dead);
        worker.End();
        Assert.Equal(JobState.Cancelled, (await EndAsync(dead)).State);

        var busy = await SubmitAsync();
        var waiting = await SubmitAsync();
        worker = await _launcher.NextAsync();
        await _runner.CancelAsync(waiting);
        Assert.Equal(JobState.Cancelled, (await EndAsync(waiting)).State);
        worker.End(new WorkerFailed("No data."));
        var job = await EndAsync(busy);
        Assert.Equal((JobState.Failed, "No data."), (job.State, job.Message));
    }

    [Fact]
    public async Task Job_InAnotherState_IsNeitherResumedNorDeleted()
    {
        var id = await SubmitAsync();
        var worker = await _launcher.NextAsync();
        var error = await Assert.ThrowsAsync<DomainException>(() => _runner.DeleteAsync(id));
        Assert.Equal(
            (ErrorKind.FailedPrecondition, $"jobs/{id}", "The job is running; cancel it first."),
            (error.Kind, error.Subject, error.Message));
        error = await Assert.ThrowsAsync<DomainException>(() => _runner.ResumeAsync(id));
        Assert.Equal("The job is running; only one that failed or was cancelled can be resumed.", error.Message);
        worker.End(new WorkerFailed("Once."));
        await EndAsync(id);

        await _runner.ResumeAsync(id);
        (await _launcher.NextAsync()).End(new WorkerFailed("Twice."));
        Assert.Equal("Twice.", (await EndAsync(id)).Message);
        await _runner.DeleteAsync(id);
        await Assert.ThrowsAsync<DomainException>(() => _jobs.GetAsync(id));
    }

    /// <summary>A disk that is full ends jobs, and neither the runner nor what is on it.</summary>
    [Fact]
    public async Task Disk_ThatIsFull_FailsJobs_AndTheRunnerGoesOn()
    {
        var first = await SubmitAsync();
        var worker = await _launcher.NextAsync();
        var second = await SubmitAsync();
        var unfinished = Path.Combine(_jobs.Folder(first), "checkpoints", ".writing-5");
        Directory.CreateDirectory(unfinished);
        _disk.IsMended = false;
        worker.Say(new WorkerProgress(1, 2, 0.5, 0.1, 100, SecondsLeft: 1));

        var job = await EndAsync(first);
        Assert.Equal(JobState.Failed, job.State);
        Assert.StartsWith("There is no room left on the disk. ", job.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(unfinished));
        job = await EndAsync(second);
        Assert.StartsWith(
            "It can't begin. There is no room left on the disk. ", job.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(SubmitAsync);

        _disk.IsMended = true;
        await _runner.ResumeAsync(second);
        (await _launcher.NextAsync()).End(Done());
        Assert.Equal(JobState.Succeeded, (await EndAsync(second)).State);
        Assert.Equal([second, first], (await _jobs.ListAsync("", 9)).Select(each => each.Id));
    }

    [Fact]
    public async Task Result_WhoseEndCantBeWritten_IsThere_AndSaysSo()
    {
        var id = await SubmitAsync();
        var worker = await _launcher.NextAsync();
        _disk.IsMended = false;
        worker.End(Done());
        var job = await EndAsync(id);
        Assert.Equal(JobState.Succeeded, job.State);
        Assert.Contains("This could not be written down: ", job.Message, StringComparison.Ordinal);
    }

    /// <summary>A job reads what it was submitted for, or nothing.</summary>
    [Fact]
    public async Task Job_WhoseDatasetIsAnother_DoesNotGoOn()
    {
        var id = await SubmitAsync(new() { Datasets = new Dictionary<string, string> { ["d"] = "before" } });
        Assert.Contains("'d' is another", (await EndAsync(id)).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DomainException>(() => _runner.ResumeAsync(id));

        _recipes.Dataset = "before";
        await _runner.ResumeAsync(id);
        (await _launcher.NextAsync()).End();
        _recipes.Dataset = "after"; // Also between two attempts.
        Assert.Contains("'d' is another", (await EndAsync(id)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Job_OfAFormerRelease_IsPinnedToWhatItBeginsWith()
    {
        var id = await SubmitAsync();
        (await _launcher.NextAsync()).End(new WorkerFailed("Once."));
        Assert.Equal("now", (await EndAsync(id)).Inputs!.Datasets["d"]);
        _recipes.Dataset = "after";
        await Assert.ThrowsAsync<DomainException>(() => _runner.ResumeAsync(id));
    }

    [Fact]
    public async Task Progress_OfAWorkerThatIsHeldBack_SaysSo_AndWarningsAreEvents()
    {
        var id = await SubmitAsync();
        var worker = await _launcher.NextAsync();
        worker.Say(new WorkerProgress(1, 2, 0.5, 0.1, 100, SecondsLeft: 1));
        worker.Say(new WorkerHeldBack(IsHeldBack: true));
        worker.Say(new WorkerWarning(1, "The loss jumps."));
        worker.Say(new WorkerHeldBack(IsHeldBack: false));
        worker.End(Done());
        await EndAsync(id);
        var events = new List<JobEvent>();
        await foreach (var happened in _jobs.WatchAsync(id, 2, CancellationToken.None))
            events.Add(happened);
        Assert.Equal([false, true, null, false, null], events.Select(happened => happened.Progress?.HeldBack));
        Assert.Equal((1, 1), (events[1].Progress!.Step, events[3].Progress!.Step));
        Assert.Equal(new(1, "The loss jumps."), events[2].Warning);
    }

    private static WorkerDone Done() => new(new Dictionary<string, double>(), TaskVersion: null, Model: null);

    [Fact]
    public async Task Jobs_OfOneDevice_RunTogetherAsLongAsItsMemoryHasRoom_InTheirOrder()
    {
        await SubmitAsync(OnDevice("torch-cpu", 60));
        var second = await SubmitAsync(OnDevice("torch-cpu", 60));
        var third = await SubmitAsync(OnDevice("torch-cpu", 40));
        var elsewhere = await SubmitAsync("{}");
        var (first, other) = (await _launcher.NextAsync(), await _launcher.NextAsync());
        Assert.Equal(
            ("torch-cpu", "cpu", elsewhere), (first.Order.Device, other.Order.Device, other.Order.Job));
        // The third would fit, but does not overtake the second.
        Assert.Equal(
            [JobState.Queued, JobState.Queued],
            [(await _jobs.GetAsync(second)).State, (await _jobs.GetAsync(third)).State]);

        first.End(Done());
        Worker[] both = [await _launcher.NextAsync(), await _launcher.NextAsync()];
        Assert.Equal([second, third], both.Select(worker => worker.Order.Job));
        await _runner.CancelAsync(third);
        await both[1].Cancelled.Within();
        both[1].End(new WorkerCancelled());
        both[0].End(Done());
        other.End(Done());
        Assert.Equal(JobState.Cancelled, (await EndAsync(third)).State);
        Assert.Equal(
            [JobState.Succeeded, JobState.Succeeded],
            [(await EndAsync(second)).State, (await EndAsync(elsewhere)).State]);
    }

    [Fact]
    public async Task Job_ThatNeedsMoreThanItsDeviceMayGive_Fails_AndTheNextRuns()
    {
        var large = await SubmitAsync(OnDevice("torch-cpu", MemoryBytes + 1));
        var next = await SubmitAsync(OnDevice("torch-cpu", MemoryBytes));
        var job = await EndAsync(large);
        Assert.Equal(
            (JobState.Failed, "The job needs 101 bytes of torch-cpu; 100 are allowed (Server:DeviceMemoryBytes). Allow "
                + "more, or state less if it needs less."),
            (job.State, job.Message));
        var worker = await _launcher.NextAsync();
        Assert.Equal(next, worker.Order.Job);
        worker.End(Done());
        await EndAsync(next);
    }

    private static string OnDevice(string device, long bytes) =>
        $$"""{"device":"{{device}}","deviceMemoryBytes":"{{bytes}}"}""";

    private async Task<string> SubmitAsync() => await SubmitAsync(inputs: null);

    private Task<string> SubmitAsync(InputDigests? inputs) => SubmitAsync("{}", inputs);

    private async Task<string> SubmitAsync(string spec, InputDigests? inputs = null)
    {
        var job = await _jobs.CreateAsync(JsonSerializer.Deserialize<JsonElement>(spec), "{}", inputs);
        _runner.Wake();
        return job.Id;
    }

    private async Task<JobRecord> EndAsync(string id)
    {
        await Eventually.TrueAsync(
            () => _jobs.GetAsync(id).GetAwaiter().GetResult().State.IsOver(), $"the job {id} is over");
        return await _jobs.GetAsync(id);
    }

    private sealed class Recipes : IJobRecipes
    {
        public string Dataset { get; set; } = "now";

        public RecipeFacts Describe(string recipe) =>
            new(["mini"], ["d"], [("t", "1", "mini")], Incumbent: null, "current", Judged: null);

        public Task<RecipeInputs> LocateAsync(RecipeFacts recipe, InputDigests? pinned)
        {
            if (pinned?.Datasets.GetValueOrDefault("d") is { } needed && needed != Dataset)
                throw DomainException.FailedPrecondition("datasets/d", "The dataset 'd' is another");
            return Task.FromResult(new RecipeInputs(
                new Dictionary<string, string> { ["mini"] = "/models/mini" },
                new Dictionary<string, string> { ["d"] = "/d" },
                new Dictionary<string, string> { [WorkOrder.TaskKey("t", "1")] = "/t/1" })
            {
                Digests = new() { Datasets = new Dictionary<string, string> { ["d"] = Dataset } }
            });
        }
    }

    private sealed class Launcher : IJobLauncher
    {
        private readonly Channel<Worker> _launched = Channel.CreateUnbounded<Worker>();

        public int Threads => 3;

        public IJobWorker Launch(WorkOrder order)
        {
            var worker = new Worker(order);
            _launched.Writer.TryWrite(worker);
            return worker;
        }

        public Task<Worker> NextAsync() => _launched.Reader.ReadAsync().AsTask().Within();
    }

    private sealed class Worker(WorkOrder order) : IJobWorker
    {
        private readonly Channel<WorkerMessage> _said = Channel.CreateUnbounded<WorkerMessage>();
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public WorkOrder Order => order;

        public Task Cancelled => _cancelled.Task;

        public int? ProcessId => null;

        public void Say(WorkerMessage message) => _said.Writer.TryWrite(message);

        /// <param name="last">Null for a worker that dies.</param>
        public void End(WorkerMessage? last = null)
        {
            if (last is not null)
                Say(last);
            _said.Writer.Complete();
        }

        public async IAsyncEnumerable<WorkerMessage> MessagesAsync(
            [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await foreach (var message in _said.Reader.ReadAllAsync(cancellationToken))
                yield return message;
        }

        public void Cancel() => _cancelled.TrySetResult();

        public Task<string> EndAsync() => Task.FromResult("it died");

        public void Dispose()
        {
        }
    }
}
