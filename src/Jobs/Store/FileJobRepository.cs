using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs.Store;

/// <summary>Jobs on disk, below the data root of one server: its leases end with the process.</summary>
public sealed class FileJobRepository : IJobRepository
{
    private readonly string _root;
    private readonly long _maxBytes;
    private readonly IFileSystem _files;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, FileJob> _jobs = new(StringComparer.Ordinal);
    private readonly Lock _gate = new(); // From the look at a state or lease to its change.
    private long _lastLease;

    /// <param name="root">Made if it is missing.</param>
    /// <param name="maxBytes">What all jobs may take before another is taken.</param>
    public FileJobRepository(
        string root, long maxBytes, IFileSystem files, TimeProvider time, ILogger<FileJobRepository> logger)
    {
        _maxBytes = maxBytes;
        _root = Path.GetFullPath(root);
        _files = files;
        _time = time;
        files.EnsureFolder(_root);
        foreach (var unfinished in Directory.EnumerateDirectories(_root, ".*").ToList())
            files.TryDelete(unfinished);
        foreach (var folder in Directory.EnumerateDirectories(_root))
        {
            try
            {
                var job = FileJob.Read(folder, files, time);
                _jobs[job.Record.Id] = job;
            }
            catch (Exception exception) when (exception is JsonException || DiskFailure.Is(exception))
            {
                logger.LogWarning("{Folder} is no job and is left out: {Problem}", folder, exception.Message);
            }
        }
    }

    public Task<JobRecord> CreateAsync(JsonElement spec, string recipe, InputDigests? inputs = null)
    {
        var taken = FolderSize.Of(_root);
        if (taken >= _maxBytes)
        {
            throw DomainException.TooLarge(
                $"The jobs take {taken} bytes",
                $"{_maxBytes} are allowed (Server:MaxJobsBytes)",
                "delete some that are over");
        }

        var now = _time.GetUtcNow();
        var time = now.ToString("yyyyMMdd-HHmmssfff", CultureInfo.InvariantCulture);
        var record = new JobRecord
        {
            Id = $"{time}-{Guid.NewGuid().ToString("N")[..6]}",
            Spec = spec,
            Inputs = inputs,
            State = JobState.Queued,
            Submitted = now
        };
        _jobs[record.Id] = FileJob.Create(Folder(record.Id), record, recipe, _files, _time);
        return Task.FromResult(record);
    }

    public Task<JobRecord> GetAsync(string id) => Task.FromResult(Require(id).Record);

    public Task<string> GetRecipeAsync(string id) => Task.FromResult(Require(id).Recipe);

    public Task<IReadOnlyList<JobRecord>> ListAsync(string before, int count) =>
        Task.FromResult<IReadOnlyList<JobRecord>>(
        [
            .. _jobs.Values.Select(job => job.Record)
                .Where(job => before.Length == 0 || string.CompareOrdinal(job.Id, before) < 0)
                .OrderByDescending(job => job.Id, StringComparer.Ordinal)
                .Take(count)
        ]);

    public Task<long> CountEventsAsync(string id) => Task.FromResult(Require(id).Events.Count);

    public IAsyncEnumerable<JobEvent> WatchAsync(string id, long cursor, CancellationToken cancellationToken) =>
        Require(id).Events.ReadAsync(cursor, cancellationToken);

    public Task<JobLease?> TakeNextAsync(Func<JobRecord, bool>? mayStart = null)
    {
        lock (_gate)
        {
            foreach (var next in _jobs.Values.Where(job => job.Record.State == JobState.Queued)
                .OrderBy(job => job.Record.Id, StringComparer.Ordinal))
            {
                if (mayStart?.Invoke(next.Record) == false)
                    continue;
                next.RemoveLeftovers();
                try
                {
                    next.Enter(JobState.Running, message: "", change: null);
                }
                catch (Exception exception) when (DiskFailure.Is(exception))
                {
                    next.Enforce(JobState.Failed, $"It can't begin. {DiskFailure.Message(exception)}");
                    continue;
                }

                next.Lease = ++_lastLease;
                return Task.FromResult<JobLease?>(new(next.Record.Id, next.Lease));
            }

            return Task.FromResult<JobLease?>(null);
        }
    }

    public Task QueueAbandonedAsync(string message)
    {
        lock (_gate)
        {
            foreach (var job in _jobs.Values.Where(job => job is { Record.State: JobState.Running, Lease: 0 }))
                job.Enforce(JobState.Queued, message);
        }

        return Task.CompletedTask;
    }

    public Task EndAsync(
        JobLease lease, JobState state, string message = "", Func<JobRecord, JobRecord>? change = null)
    {
        var job = Require(lease);
        job.RemoveLeftovers(change); // First, since the end may need their room.
        lock (_gate)
        {
            job = Require(lease);
            if (!job.Enforce(state, message, change) && state == JobState.Succeeded)
            {
                job.RemoveLeftovers();
                job.Enforce(state, message, change);
            }

            job.Lease = 0;
        }

        job.RemoveLeftovers();
        return Task.CompletedTask;
    }

    public Task PinAsync(JobLease lease, InputDigests inputs)
    {
        Require(lease).Change(record => record with { Inputs = inputs });
        return Task.CompletedTask;
    }

    public Task AddEventAsync(JobLease lease, JobEvent added)
    {
        Require(lease).Add(added);
        return Task.CompletedTask;
    }

    public Task<bool> TryEnterAsync(string id, JobState state, params IReadOnlyList<JobState> from)
    {
        lock (_gate)
        {
            var job = Require(id);
            if (job.Lease != 0 || !from.Contains(job.Record.State))
                return Task.FromResult(false);
            job.Enter(state, message: "", change: null);
            return Task.FromResult(true);
        }
    }

    public Task<bool> TryDeleteAsync(string id)
    {
        var doomed = Path.Combine(_root, $".deleting-{Guid.NewGuid():N}");
        lock (_gate)
        {
            var job = Require(id);
            if (job.Lease != 0 || !job.Record.State.IsOver())
                return Task.FromResult(false);
            if (Directory.Exists(job.Folder))
                _files.MoveFolder(job.Folder, doomed);
            _jobs.TryRemove(id, out _);
        }

        _files.TryDelete(doomed); // Otherwise at the next start.
        return Task.FromResult(true);
    }

    public string Folder(string id) => Path.Combine(_root, id);

    private FileJob Require(string id) =>
        _jobs.GetValueOrDefault(id) ?? throw DomainException.NotFound("job", id, _jobs.Keys);

    private FileJob Require(JobLease lease)
    {
        var job = Require(lease.Job);
        return job.Lease == lease.Token
            ? job
            : throw DomainException.Conflict(
                $"jobs/{lease.Job}", $"The job '{lease.Job}' was taken from this server", "let it go");
    }
}
