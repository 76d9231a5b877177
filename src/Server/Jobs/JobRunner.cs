using Grpc.Core;
using Serving.Inference.Scheduling;
using Serving.Server.Catalog;
using Serving.Server.Storage;

namespace Serving.Server.Jobs;

/// <summary>Runs queued jobs one after another, each in a worker process, and publishes what comes out.</summary>
/// <remarks>
/// A job that was running when the server stopped is queued again at the start. A worker that ends without a word is
/// started again, and goes on from the last checkpoint, unless it came no further several times.
/// </remarks>
internal sealed class JobRunner(
    JobStore jobs,
    ModelStore models,
    DatasetStore datasets,
    JobPublisher publisher,
    TaskRouter router,
    Readiness readiness,
    EngineLoad load,
    ServerOptions options,
    ILogger<JobRunner> logger) : BackgroundService
{
    private const int MostAttempts = 5;

    private readonly SemaphoreSlim _queued = new(0);
    private readonly Lock _gate = new();
    private Job? _running;
    private WorkerProcess? _worker;
    private bool _isCancelled;

    /// <summary>Looks at the queue again.</summary>
    public void Wake() => _queued.Release();

    /// <summary>Cancels a job, whether it waits or runs.</summary>
    public void Cancel(Job job)
    {
        lock (_gate)
        {
            if (job == _running)
            {
                _isCancelled = true;
                _worker?.Cancel();
            }
            else if (job.State == V1.JobState.Queued)
            {
                job.Enter(V1.JobState.Cancelled);
            }
        }
    }

    /// <summary>Queues a job once more.</summary>
    /// <returns>False if it is neither failed nor cancelled.</returns>
    public bool Resume(Job job)
    {
        lock (_gate)
        {
            if (job == _running || job.State is not (V1.JobState.Failed or V1.JobState.Cancelled))
                return false;
            job.Enter(V1.JobState.Queued);
        }

        Wake();
        return true;
    }

    /// <summary>Deletes a job.</summary>
    /// <returns>False if it is not over.</returns>
    public bool Delete(Job job)
    {
        lock (_gate)
        {
            if (job == _running || !Job.IsOver(job.State))
                return false;
            jobs.Delete(job);
            return true;
        }
    }

    /// <summary>The process that runs a job; null if none does.</summary>
    internal int? WorkerId(Job job)
    {
        lock (_gate)
            return job == _running ? _worker?.Id : null;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        foreach (var job in jobs.All.Where(job => job.State == V1.JobState.Running))
            job.Enter(V1.JobState.Queued, "The server stopped while it ran; it goes on.");
        await readiness.WhenReadyAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            if (TakeNext() is not { } job)
            {
                await _queued.WaitAsync(stoppingToken);
                continue;
            }

            try
            {
                await RunAsync(job, stoppingToken);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                logger.LogError(exception, "The job {Job} could not be run", job.Id);
                job.Fail(exception is RpcException rpc ? rpc.Status.Detail : exception.Message);
            }
            finally
            {
                lock (_gate)
                    _running = null;
            }
        }
    }

    private int TrainingThreads => options.TrainingThreads == 0
        ? Math.Max(1, Environment.ProcessorCount / 2)
        : options.TrainingThreads;

    private Job? TakeNext()
    {
        lock (_gate)
        {
            if (jobs.NextQueued() is not { } job)
                return null;
            _running = job;
            _isCancelled = false;
            job.Enter(V1.JobState.Running);
            return job;
        }
    }

    private async Task RunAsync(Job job, CancellationToken stopping)
    {
        var orderFile = WriteOrder(job);
        var (furthest, attempts) = (0L, 0);
        while (true)
        {
            var (last, ending) = await RunWorkerAsync(job, orderFile, stopping);
            switch (last)
            {
                case WorkerDone done:
                    await FinishAsync(job, done);
                    return;
                case WorkerFailed failed:
                    job.Fail(failed.Message);
                    return;
                case WorkerCancelled:
                    job.Enter(V1.JobState.Cancelled);
                    return;
                default:
                    var step = job.Message.Progress?.Step ?? 0;
                    attempts = step > furthest ? 1 : attempts + 1;
                    furthest = Math.Max(furthest, step);
                    if (_isCancelled)
                    {
                        job.Enter(V1.JobState.Cancelled);
                        return;
                    }

                    if (attempts >= MostAttempts)
                    {
                        job.Enter(
                            V1.JobState.Failed,
                            $"Its process ended {attempts} times at step {step} ({ending}); it may lack memory.");
                        return;
                    }

                    logger.LogWarning("The process of job {Job} ended ({Ending}); it is started again", job.Id, ending);
                    break;
            }
        }
    }

    /// <returns>The message that it ended with, null if there was none, and how the process ended.</returns>
    private async Task<(WorkerMessage? Last, string Ending)> RunWorkerAsync(
        Job job, string orderFile, CancellationToken stopping)
    {
        using var worker = WorkerProcess.Start(orderFile, TrainingThreads, load);
        lock (_gate)
        {
            _worker = worker;
            if (_isCancelled)
                worker.Cancel();
        }

        try
        {
            WorkerMessage? last = null;
            await foreach (var message in worker.MessagesAsync(stopping))
            {
                last = message;
                Note(job, message);
            }

            var ending = await worker.EndAsync();
            return (last is WorkerDone or WorkerFailed or WorkerCancelled ? last : null, ending);
        }
        finally
        {
            lock (_gate)
                _worker = null;
        }
    }

    private static void Note(Job job, WorkerMessage message)
    {
        switch (message)
        {
            case WorkerProgress progress:
                var noted = new V1.JobProgress
                {
                    Step = progress.Step,
                    TotalSteps = progress.TotalSteps,
                    Loss = progress.Loss,
                    LearningRate = progress.LearningRate,
                    TokensPerSecond = progress.TokensPerSecond
                };
                if (progress.SecondsLeft is { } left)
                    noted.SecondsLeft = left;
                job.Note(noted);
                break;
            case WorkerEvaluation evaluation:
                job.Events.Add(new()
                {
                    Evaluation = new()
                    {
                        Step = evaluation.Step,
                        Best = evaluation.IsBest,
                        Metrics = { evaluation.Metrics.ToDictionary() }
                    }
                });
                break;
        }
    }

    private async Task FinishAsync(Job job, WorkerDone done)
    {
        var (version, message) = ("", "");
        if (job.Message.Spec.Publish is { } publish)
        {
            try
            {
                (version, message) = await publisher.PublishAsync(publish, job.Recipe, done);
            }
            catch (Exception exception)
            {
                logger.LogWarning(exception, "The result of job {Job} could not be published", job.Id);
                job.Enter(
                    V1.JobState.Failed,
                    $"The result is there, but could not be published: {exception.Message}",
                    SetMetrics);
                return;
            }
        }

        job.Enter(V1.JobState.Succeeded, message, next =>
        {
            SetMetrics(next);
            next.TaskVersion = version;
        });
        DeleteCheckpoints(job);

        void SetMetrics(V1.Job next)
        {
            next.Metrics.Clear();
            next.Metrics.Add(done.Metrics.ToDictionary());
            next.Artifacts.Clear();
            next.Artifacts.Add(JobArtifacts.List(job.Folder));
        }
    }

    /// <summary>Nothing goes on from them any more, and they are several times as large as the result.</summary>
    private void DeleteCheckpoints(Job job)
    {
        var folder = Path.Combine(job.Folder, "checkpoints");
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            logger.LogWarning("{Folder} could not be deleted: {Problem}", folder, exception.Message);
        }
    }

    private string WriteOrder(Job job)
    {
        var order = new WorkOrder(
            job.Id,
            job.Folder,
            job.Recipe.ToJson(),
            job.Recipe.Models
                .Concat(job.Recipe.TaskVersions.Select(task => task.Model))
                .Distinct(StringComparer.Ordinal)
                .ToDictionary(name => name, models.Folder, StringComparer.Ordinal),
            job.Recipe.DatasetNames.Distinct(StringComparer.Ordinal).ToDictionary(
                name => name, name => datasets.Folder(datasets.Require(name)), StringComparer.Ordinal),
            job.Recipe.TaskVersions.Distinct().ToDictionary(
                WorkOrder.TaskKey,
                task => router.Table.Version(task.Task, task.Version).Folder,
                StringComparer.Ordinal),
            TrainingThreads);
        var path = Path.Combine(job.Folder, "order.json");
        DurableFile.Replace(path, order.ToJson());
        return path;
    }
}
