using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Serving.Server.Storage;
using Serving.Training.Recipes;

namespace Serving.Server.Jobs;

/// <summary>A job, in memory and on disk: `jobs/ID/`.</summary>
/// <remarks>job.json holds everything but events; it is replaced as a whole at each change of state.</remarks>
internal sealed class Job
{
    public const string JobFile = "job.json";
    public const string RecipeFile = "recipe.json";
    public const string EventsFile = "events.jsonl";

    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private V1.Job _message;

    private Job(string folder, V1.Job message, Recipe recipe, TimeProvider time)
    {
        Folder = folder;
        Recipe = recipe;
        _message = message;
        _time = time;
        Events = new(Path.Combine(folder, EventsFile), time);
        Events.SetClosed(IsOver(message.State));
    }

    public string Id => _message.Id;

    public string Folder { get; }

    public Recipe Recipe { get; }

    public JobEventLog Events { get; }

    public V1.JobState State => Message.State;

    /// <summary>A copy of what there is to know.</summary>
    public V1.Job Message
    {
        get
        {
            lock (_gate)
            {
                var copy = _message.Clone();
                copy.Events = Events.Count;
                return copy;
            }
        }
    }

    public static bool IsOver(V1.JobState state) =>
        state is V1.JobState.Succeeded or V1.JobState.Failed or V1.JobState.Cancelled;

    /// <summary>Makes a job's folder and queues it.</summary>
    public static Job Create(string folder, string id, V1.JobSpec spec, Recipe recipe, TimeProvider time)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(folder)!, $".creating-{Guid.NewGuid():N}");
        Directory.CreateDirectory(temporary);
        var message = new V1.Job
        {
            Id = id,
            Spec = spec,
            State = V1.JobState.Queued,
            Submitted = Timestamp.FromDateTimeOffset(time.GetUtcNow())
        };
        DurableFile.Replace(Path.Combine(temporary, RecipeFile), Encoding.UTF8.GetBytes(recipe.ToJson()));
        DurableFile.Replace(Path.Combine(temporary, JobFile), Bytes(message));
        DurableFile.MoveFolder(temporary, folder);
        var job = new Job(folder, message, recipe, time);
        job.Events.Add(new() { State = V1.JobState.Queued });
        return job;
    }

    /// <summary>Reads a job again.</summary>
    /// <exception cref="InvalidProtocolBufferException">It is damaged.</exception>
    public static Job Read(string folder, TimeProvider time) => new(
        folder,
        JsonParser.Default.Parse<V1.Job>(File.ReadAllText(Path.Combine(folder, JobFile))),
        Recipe.Parse(File.ReadAllText(Path.Combine(folder, RecipeFile))),
        time);

    /// <summary>Changes the state, on disk first, and adds an event.</summary>
    /// <param name="change">Changes more of the message.</param>
    /// <exception cref="IOException">It can't be written; nothing has changed.</exception>
    public void Enter(V1.JobState state, string message = "", Action<V1.Job>? change = null)
    {
        lock (_gate)
        {
            var next = Next(state, message);
            change?.Invoke(next);
            DurableFile.Replace(Path.Combine(Folder, JobFile), Bytes(next));
            _message = next;
            Events.SetClosed(isClosed: false);
            Events.Add(new() { State = state, Message = message });
            Events.SetClosed(IsOver(state));
        }
    }

    /// <summary>Ends a job whose end may not fit on the disk: then it is over for as long as the server runs.</summary>
    public void Fail(string message)
    {
        try
        {
            Enter(V1.JobState.Failed, message);
        }
        catch (IOException exception)
        {
            lock (_gate)
                _message = Next(V1.JobState.Failed, $"{message} This could not be written down: {exception.Message}");
            Events.SetClosed(isClosed: true);
        }
    }

    /// <summary>Notes how far it is; not on disk, but for the event.</summary>
    public void Note(V1.JobProgress progress)
    {
        lock (_gate)
            _message.Progress = progress;
        Events.Add(new() { Progress = progress });
    }

    private V1.Job Next(V1.JobState state, string message)
    {
        var next = _message.Clone();
        next.State = state;
        next.Message = message;
        var now = Timestamp.FromDateTimeOffset(_time.GetUtcNow());
        if (state == V1.JobState.Running)
            next.Started ??= now;
        next.Ended = IsOver(state) ? now : null;
        return next;
    }

    private static byte[] Bytes(V1.Job message) => Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(message) + "\n");
}
