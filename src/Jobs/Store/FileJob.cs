using System.Text;
using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs.Store;

/// <summary>A job, in memory and on disk: `jobs/ID/`.</summary>
/// <remarks>job.json holds everything but events; it is replaced as a whole at each change of state.</remarks>
internal sealed class FileJob
{
    private const string JobFile = "job.json";
    private const string RecipeFile = "recipe.json";
    private const string EventsFile = "events.jsonl";

    private readonly IFileSystem _files;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private JobRecord _record;

    private FileJob(string folder, JobRecord record, string recipe, IFileSystem files, TimeProvider time)
    {
        Folder = folder;
        Recipe = recipe;
        _record = record;
        _files = files;
        _time = time;
        Events = new(Path.Combine(folder, EventsFile), files, time);
        if (Events.LastState != record.State) // The process ended between the two.
            TryTell(record);
        Events.SetClosed(record.State.IsOver());
    }

    public string Folder { get; }

    public string Recipe { get; }

    public JobEventLog Events { get; }

    /// <summary>The lease of whoever runs it; 0 if nobody does.</summary>
    public long Lease { get; set; }

    public JobRecord Record
    {
        get
        {
            lock (_gate)
                return _record;
        }
    }

    /// <summary>Makes a job's folder and queues it.</summary>
    public static FileJob Create(
        string folder, JobRecord record, string recipe, IFileSystem files, TimeProvider time)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(folder)!, $".creating-{Guid.NewGuid():N}");
        files.CreateFolder(temporary);
        try
        {
            files.WriteNew(
                Path.Combine(temporary, RecipeFile), file => file.Write(Encoding.UTF8.GetBytes(recipe)));
            files.WriteNew(Path.Combine(temporary, JobFile), file => file.Write(Bytes(record)));
            new JobEventLog(Path.Combine(temporary, EventsFile), files, time).Add(new() { State = record.State });
            files.MoveFolder(temporary, folder);
        }
        catch
        {
            files.TryDelete(temporary);
            throw;
        }

        return new(folder, record, recipe, files, time);
    }

    /// <summary>Reads a job again, and removes what a worker left unfinished.</summary>
    /// <exception cref="System.Text.Json.JsonException">It is damaged.</exception>
    public static FileJob Read(string folder, IFileSystem files, TimeProvider time)
    {
        var record = JobJson.Read<JobRecord>(File.ReadAllBytes(Path.Combine(folder, JobFile)));
        var recipe = File.ReadAllText(Path.Combine(folder, RecipeFile));
        JobLeftovers.Remove(files, folder, record);
        return new(folder, record, recipe, files, time);
    }

    /// <summary>Changes the state, on disk first, and adds an event.</summary>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    public void Enter(JobState state, string message, Func<JobRecord, JobRecord>? change)
    {
        lock (_gate)
        {
            var next = Next(state, message, change);
            _files.Replace(Path.Combine(Folder, JobFile), Bytes(next));
            _record = next;
            Events.SetClosed(isClosed: false);
            TryTell(next);
            Events.SetClosed(state.IsOver());
        }
    }

    /// <summary>
    /// Changes the state of a job even if it can't be written: then for as long as the server runs, and without an
    /// event.
    /// </summary>
    /// <returns>Whether it was written.</returns>
    public bool Enforce(JobState state, string message, Func<JobRecord, JobRecord>? change = null)
    {
        try
        {
            Enter(state, message, change);
            return true;
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            var unwritten = $"{message} This could not be written down: {exception.Message}".TrimStart();
            lock (_gate)
                _record = Next(state, unwritten, change);
            Events.SetClosed(state.IsOver());
            return false;
        }
    }

    /// <summary>Changes the record, on disk first, and nothing that events tell of.</summary>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    public void Change(Func<JobRecord, JobRecord> change)
    {
        lock (_gate)
        {
            var next = change(_record);
            _files.Replace(Path.Combine(Folder, JobFile), Bytes(next));
            _record = next;
        }
    }

    /// <summary>Removes what nobody can use, see <see cref="JobLeftovers"/>.</summary>
    /// <param name="change">What is about to become of the record.</param>
    public void RemoveLeftovers(Func<JobRecord, JobRecord>? change = null) =>
        JobLeftovers.Remove(_files, Folder, change?.Invoke(Record) ?? Record);

    /// <summary>Adds an event; progress is noted in the record, too, but not on disk.</summary>
    public void Add(JobEvent added)
    {
        if (added.Progress is { } progress)
        {
            lock (_gate)
                _record = _record with { Progress = progress };
        }

        Events.Add(added);
    }

    private JobRecord Next(JobState state, string message, Func<JobRecord, JobRecord>? change)
    {
        var next = _record.Enter(state, message, _time.GetUtcNow());
        return change?.Invoke(next) ?? next;
    }

    /// <summary>Adds the event of a state that is on disk; if it does not fit, the next start adds it.</summary>
    private void TryTell(JobRecord record)
    {
        try
        {
            Events.Add(new() { State = record.State, Message = record.Message });
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            // The record says it, too.
        }
    }

    private static byte[] Bytes(JobRecord record) => [.. JobJson.ToBytes(record), (byte)'\n'];
}
