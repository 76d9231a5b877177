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
        if (Events.LastState != record.State) // Power went between the two.
            Events.Add(new() { State = record.State, Message = record.Message });
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
        files.WriteNew(
            Path.Combine(temporary, RecipeFile), file => file.Write(Encoding.UTF8.GetBytes(recipe)));
        files.WriteNew(Path.Combine(temporary, JobFile), file => file.Write(Bytes(record)));
        files.MoveFolder(temporary, folder);
        return new(folder, record, recipe, files, time);
    }

    /// <summary>Reads a job again.</summary>
    /// <exception cref="System.Text.Json.JsonException">It is damaged.</exception>
    public static FileJob Read(string folder, IFileSystem files, TimeProvider time) => new(
        folder,
        JobJson.Read<JobRecord>(File.ReadAllBytes(Path.Combine(folder, JobFile))),
        File.ReadAllText(Path.Combine(folder, RecipeFile)),
        files,
        time);

    /// <summary>Changes the state, on disk first, and adds an event.</summary>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    public void Enter(JobState state, string message, Func<JobRecord, JobRecord>? change)
    {
        lock (_gate)
        {
            var next = _record.Enter(state, message, _time.GetUtcNow());
            next = change?.Invoke(next) ?? next;
            _files.Replace(Path.Combine(Folder, JobFile), Bytes(next));
            _record = next;
            Events.SetClosed(isClosed: false);
            Events.Add(new() { State = state, Message = message });
            Events.SetClosed(state.IsOver());
        }
    }

    /// <summary>Ends a job whose end may not fit on the disk: then it is over for as long as the server runs.</summary>
    public void Fail(string message)
    {
        try
        {
            Enter(JobState.Failed, message, change: null);
        }
        catch (IOException exception)
        {
            lock (_gate)
            {
                _record = _record.Enter(
                    JobState.Failed,
                    $"{message} This could not be written down: {exception.Message}",
                    _time.GetUtcNow());
            }

            Events.SetClosed(isClosed: true);
        }
    }

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

    private static byte[] Bytes(JobRecord record) => [.. JobJson.ToBytes(record), (byte)'\n'];
}
