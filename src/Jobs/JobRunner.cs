using Microsoft.Extensions.Logging;
using Serving.Inference.Scheduling;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Jobs.Workers;
using Serving.Storage;

namespace Serving.Jobs;

/// <summary>Runs queued jobs, each by a worker, and publishes what comes out.</summary>
/// <remarks>
/// Jobs of one device run one after another, or as many at a time as its memory has room for: <see cref="JobSlots"/>.
/// A job that was running when its server stopped is queued again. A worker that ends without a word is started again,
/// and goes on from the last checkpoint, unless it came no further several times. Whatever happens to a job, or to the
/// disk, is the job's end at most: serving and the next job go on.
/// </remarks>
public sealed class JobRunner(
    IJobRepository jobs,
    IJobRecipes recipes,
    IJobLauncher launcher,
    JobPublisher publisher,
    MemoryBudgets memory,
    ILogger<JobRunner> logger) : IDisposable
{
    private const int MostAttempts = 5;

    private readonly SemaphoreSlim _queued = new(0);
    private readonly SemaphoreSlim _gate = new(1); // Guards the fields below, and from a look at a state to its change.
    private readonly JobSlots _slots = new(memory);
    private readonly Dictionary<string, RunningJob> _running = new(StringComparer.Ordinal);

    /// <summary>Looks at the queue again.</summary>
    public void Wake() => _queued.Release();

    /// <summary>Cancels a job, whether it waits or runs.</summary>
    /// <exception cref="DomainException">There is no such job.</exception>
    public Task CancelAsync(string id) => GuardAsync(async () =>
    {
        if (_running.TryGetValue(id, out var job))
        {
            job.IsCancelled = true;
            job.Worker?.Cancel();
        }
        else
        {
            await jobs.TryEnterAsync(id, JobState.Cancelled, JobState.Queued);
        }

        return true;
    });

    /// <summary>Queues a job once more, if what it was submitted for is still there.</summary>
    /// <exception cref="DomainException">
    /// There is no such job, it neither failed nor was cancelled, or what it reads is gone or another.
    /// </exception>
    /// <exception cref="Models.ModelFileException">A model is gone.</exception>
    public async Task ResumeAsync(string id)
    {
        var job = await jobs.GetAsync(id);
        if (job.State is JobState.Failed or JobState.Cancelled)
            await recipes.LocateAsync(recipes.Describe(await jobs.GetRecipeAsync(id)), job.Inputs);
        if (!await GuardAsync(() => jobs.TryEnterAsync(id, JobState.Queued, JobState.Failed, JobState.Cancelled)))
        {
            throw await WrongStateAsync(
                id, needed: "only one that failed or was cancelled can be resumed", remedy: null);
        }

        Wake();
    }

    /// <summary>Deletes a job.</summary>
    /// <exception cref="DomainException">There is no such job, or it is not over.</exception>
    public async Task DeleteAsync(string id)
    {
        if (!await jobs.TryDeleteAsync(id))
            throw await WrongStateAsync(id, needed: null, remedy: "cancel it first");
    }

    /// <summary>The process that runs a job; null if none does.</summary>
    public Task<int?> WorkerIdAsync(string id) =>
        GuardAsync(() => Task.FromResult(_running.GetValueOrDefault(id)?.Worker?.ProcessId));

    /// <summary>Runs jobs until it is stopped.</summary>
    /// <param name="ready">Jobs begin when it completes.</param>
    public async Task RunAsync(Task ready, CancellationToken stopping)
    {
        await jobs.QueueAbandonedAsync("The server stopped while it ran; it goes on.");
        await ready.WaitAsync(stopping);
        using var watching = memory.Watch(Wake);
        var running = new List<Task>();
        try
        {
            while (!stopping.IsCancellationRequested)
            {
                if (await TakeNextAsync() is { } job)
                {
                    running.RemoveAll(task => task.IsCompleted);
                    running.Add(RunToEndAsync(job, stopping));
                }
                else
                {
                    await _queued.WaitAsync(stopping);
                }
            }
        }
        finally
        {
            await Task.WhenAll(running);
        }
    }

    public void Dispose()
    {
        _queued.Dispose();
        _gate.Dispose();
    }

    private async Task<T> GuardAsync<T>(Func<Task<T>> action)
    {
        await _gate.WaitAsync();
        try
        {
            return await action();
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<DomainException> WrongStateAsync(string id, string? needed, string? remedy)
    {
        var state = (await jobs.GetAsync(id)).State.ToString().ToLowerInvariant();
        return DomainException.FailedPrecondition($"jobs/{id}", $"The job is {state}", needed, remedy);
    }

    private Task<RunningJob?> TakeNextAsync() => GuardAsync<RunningJob?>(async () =>
    {
        using var round = _slots.NewRound();
        try
        {
            if (await jobs.TakeNextAsync(round.MayStart) is not { } lease)
                return null;
            return _running[lease.Job] = new(lease, round.Take(lease.Job));
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "No job can be taken; the next that is submitted or resumed is another try");
            return null;
        }
    });

    /// <summary>Runs a job that was taken; whatever happens is its own end at most.</summary>
    private async Task RunToEndAsync(RunningJob job, CancellationToken stopping)
    {
        try
        {
            await RunAsync(job, stopping);
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            logger.LogError(exception, "The job {Job} could not be run", job.Lease.Job);
            await FailAsync(job.Lease, DiskFailure.Message(exception));
        }
        catch (Exception exception)
        {
            logger.LogDebug(exception, "The server stops; the job {Job} goes on at its next start", job.Lease.Job);
        }
        finally
        {
            await GuardAsync(() =>
            {
                job.Slot.Free();
                return Task.FromResult(_running.Remove(job.Lease.Job));
            });
            Wake(); // Another may have room now.
        }
    }

    private async Task FailAsync(JobLease lease, string message)
    {
        try
        {
            await jobs.EndAsync(lease, JobState.Failed, message);
        }
        catch (DomainException exception) when (exception.Kind == ErrorKind.Conflict)
        {
            logger.LogWarning("{Problem}", exception.Message); // Its new holder says how it ends.
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "The end of the job {Job} could not be noted", lease.Job);
        }
    }

    private async Task RunAsync(RunningJob job, CancellationToken stopping)
    {
        var lease = job.Lease;
        if (job.Slot.Refusal is { } refusal)
        {
            await jobs.EndAsync(lease, JobState.Failed, refusal);
            return;
        }

        var facts = recipes.Describe(await jobs.GetRecipeAsync(lease.Job));
        var (furthest, attempts) = (0L, 0);
        while (true)
        {
            var order = await OrderAsync(lease, facts);
            var (last, ending) = await RunWorkerAsync(job, order, stopping);
            switch (last)
            {
                case WorkerDone done:
                    await FinishAsync(lease, facts, done);
                    return;
                case WorkerFailed failed:
                    await jobs.EndAsync(lease, JobState.Failed, failed.Message);
                    return;
                case WorkerCancelled:
                    await jobs.EndAsync(lease, JobState.Cancelled);
                    return;
            }

            var step = (await jobs.GetAsync(lease.Job)).Progress?.Step ?? 0;
            attempts = step > furthest ? 1 : attempts + 1;
            furthest = Math.Max(furthest, step);
            if (await GuardAsync(() => Task.FromResult(job.IsCancelled)))
            {
                await jobs.EndAsync(lease, JobState.Cancelled);
                return;
            }

            if (attempts >= MostAttempts)
            {
                await jobs.EndAsync(
                    lease,
                    JobState.Failed,
                    $"Its process ended {attempts} times at step {step} ({ending}); it may lack memory.");
                return;
            }

            logger.LogWarning("The process of job {Job} ended ({Ending}); it is started again", lease.Job, ending);
        }
    }

    /// <summary>Finds what the job was submitted for; before each attempt, since it may change between two.</summary>
    private async Task<WorkOrder> OrderAsync(JobLease lease, RecipeFacts facts)
    {
        var job = await jobs.GetAsync(lease.Job);
        var inputs = await recipes.LocateAsync(facts, job.Inputs);
        if (job.Inputs is null)
            await jobs.PinAsync(lease, inputs.Digests);
        return new(
            lease.Job,
            jobs.Folder(lease.Job),
            await jobs.GetRecipeAsync(lease.Job),
            inputs.Models,
            inputs.Datasets,
            inputs.Tasks,
            launcher.Threads,
            job.ReadPlacement().Device);
    }

    /// <returns>The message that it ended with, null if there was none, and how the process ended.</returns>
    private async Task<(WorkerMessage? Last, string Ending)> RunWorkerAsync(
        RunningJob job, WorkOrder order, CancellationToken stopping)
    {
        using var worker = launcher.Launch(order);
        await GuardAsync(() =>
        {
            job.Worker = worker;
            if (job.IsCancelled)
                worker.Cancel();
            return Task.FromResult(true);
        });
        try
        {
            WorkerMessage? last = null;
            var events = new WorkerEvents();
            await foreach (var message in worker.MessagesAsync(stopping))
            {
                last = message;
                if (events.Of(message) is { } happened)
                    await jobs.AddEventAsync(job.Lease, happened);
            }

            var ending = await worker.EndAsync();
            return (last is WorkerDone or WorkerFailed or WorkerCancelled ? last : null, ending);
        }
        finally
        {
            await GuardAsync(() => Task.FromResult(job.Worker = null));
        }
    }

    private async Task FinishAsync(JobLease lease, RecipeFacts facts, WorkerDone done)
    {
        var (version, message) = ("", "");
        if ((await jobs.GetAsync(lease.Job)).ReadPublication() is { } publish)
        {
            try
            {
                (version, message) = await publisher.PublishAsync(publish, facts, done);
            }
            catch (Exception exception)
            {
                logger.LogWarning(exception, "The result of job {Job} could not be published", lease.Job);
                await jobs.EndAsync(
                    lease,
                    JobState.Failed,
                    $"The result is there, but could not be published: {DiskFailure.Message(exception)}",
                    WithResults);
                return;
            }
        }

        await jobs.EndAsync(
            lease, JobState.Succeeded, message, record => WithResults(record) with { TaskVersion = version });

        JobRecord WithResults(JobRecord record) => record with
        {
            Metrics = done.Metrics,
            Artifacts = JobArtifacts.List(jobs.Folder(lease.Job))
        };
    }

    /// <summary>A job at work. Guarded by the gate.</summary>
    private sealed class RunningJob(JobLease lease, JobSlot slot)
    {
        public JobLease Lease { get; } = lease;

        public JobSlot Slot { get; } = slot;

        public IJobWorker? Worker { get; set; }

        public bool IsCancelled { get; set; }
    }
}
