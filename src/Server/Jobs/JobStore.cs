using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Serving.Training.Recipes;

namespace Serving.Server.Jobs;

/// <summary>All jobs.</summary>
internal sealed class JobStore
{
    private readonly string _root;
    private readonly long _maxBytes;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, Job> _jobs = new(StringComparer.Ordinal);

    /// <param name="root">Made if it is missing.</param>
    /// <param name="maxBytes">What all jobs may take before another is taken.</param>
    public JobStore(string root, long maxBytes, TimeProvider time, ILogger<JobStore> logger)
    {
        _maxBytes = maxBytes;
        _root = Path.GetFullPath(root);
        _time = time;
        Directory.CreateDirectory(_root);
        foreach (var unfinished in Directory.EnumerateDirectories(_root, ".*").ToList())
            Directory.Delete(unfinished, recursive: true);
        foreach (var folder in Directory.EnumerateDirectories(_root))
        {
            try
            {
                var job = Job.Read(folder, time);
                _jobs[job.Id] = job;
            }
            catch (Exception exception) when (
                exception is IOException or JsonException or InvalidProtocolBufferException)
            {
                logger.LogWarning("{Folder} is no job and is left out: {Problem}", folder, exception.Message);
            }
        }
    }

    /// <summary>All jobs, the latest first.</summary>
    public IReadOnlyList<Job> All => [.. _jobs.Values.OrderByDescending(job => job.Id, StringComparer.Ordinal)];

    /// <summary>The job that waits longest; null if none does.</summary>
    public Job? NextQueued() =>
        _jobs.Values.Where(job => job.State == V1.JobState.Queued).MinBy(job => job.Id, StringComparer.Ordinal);

    /// <exception cref="Grpc.Core.RpcException">NOT_FOUND</exception>
    public Job Require(string id) => _jobs.GetValueOrDefault(id) ?? throw Errors.NotFound("job", id, _jobs.Keys);

    /// <exception cref="Grpc.Core.RpcException">
    /// RESOURCE_EXHAUSTED: the jobs that are there take all the room.
    /// </exception>
    public Job Create(V1.JobSpec spec, Recipe recipe)
    {
        var taken = JobArtifacts.BytesBelow(_root);
        if (taken >= _maxBytes)
            throw Errors.TooLarge($"The jobs take {taken} bytes; {_maxBytes} are allowed (Server:MaxJobsBytes). "
                + "Delete some that are over.");
        var time = _time.GetUtcNow().ToString("yyyyMMdd-HHmmssfff", CultureInfo.InvariantCulture);
        var id = $"{time}-{Guid.NewGuid().ToString("N")[..6]}";
        var job = Job.Create(Path.Combine(_root, id), id, spec, recipe, _time);
        _jobs[id] = job;
        return job;
    }

    /// <summary>Deletes a job's files.</summary>
    public void Delete(Job job)
    {
        if (!_jobs.TryRemove(job.Id, out _))
            return;
        var doomed = Path.Combine(_root, $".deleting-{Guid.NewGuid():N}");
        Directory.Move(job.Folder, doomed);
        Directory.Delete(doomed, recursive: true);
    }
}
